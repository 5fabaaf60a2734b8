// express.mjs <fileDir> <legacyDir>: the server of test/express.test.ts, for more than one process.
// Prints its port; ends when its input does.
import { once } from "node:events";
import express from "express";
import session from "express-session";
import { fileStore } from "filesession/express";

const [fileDir, legacyDir] = process.argv.slice(2);
const store = fileStore(session, { fileDir, legacyDir });
const app = express();
app.use(session({ store, secret: "signs", resave: false, saveUninitialized: false }));
app.get("/visit", (req, res) => {
  req.session.visits = (req.session.visits ?? 0) + 1;
  res.json({ user: req.session.user, visits: req.session.visits });
});
app.get("/logout", (req, res) => req.session.destroy(() => res.json({})));
app.get("/", (req, res) => res.json({ user: req.session.user, visits: req.session.visits }));
const server = app.listen(0, "127.0.0.1", () => console.log(server.address().port));
process.stdin.resume();
await once(process.stdin, "end");
server.closeAllConnections();
server.close();
await store.close();
