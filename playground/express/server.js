import express from "express";
import session from "express-session";
import { fileStore } from "filesession/express";

const store = fileStore(session, { fileDir: ".data/sessions" });
const app = express();
app.use(express.json());
app.use(
  session({
    store,
    secret: process.env.SESSION_SECRET ?? "only for this example",
    resave: false,
    saveUninitialized: false,
    cookie: { maxAge: 30 * 86_400_000, sameSite: "lax" },
  }),
);

app.get("/api/session", (req, res) => {
  const { cookie: _, ...data } = req.session;
  res.json({ data });
});

app.post("/api/visit", (req, res) => {
  req.session.visits = (req.session.visits ?? 0) + 1;
  res.json({ visits: req.session.visits });
});

app.post("/api/login", (req, res, next) => {
  const { visits } = req.session;
  // A new id: whoever has planted the old cookie is left with nothing.
  req.session.regenerate((error) => {
    if (error) return next(error);
    Object.assign(req.session, { visits, user: String(req.body.user) });
    res.json({ user: req.session.user });
  });
});

app.post("/api/logout", (req, res, next) => {
  req.session.destroy((error) => (error ? next(error) : res.json({ ok: true })));
});

const server = app.listen(Number(process.env.PORT ?? 3000), process.env.HOST ?? "localhost");

process.once("SIGTERM", () => {
  server.close(() => store.close()); // once the last request is answered
});
