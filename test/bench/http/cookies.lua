-- For wrk: each request has a random one of the cookies in the file, one a line; then what came of
-- it all, as JSON. It says when it begins, since only then can it be interrupted.

function init(args)
  math.randomseed(tonumber(args[2]))
  requests = {}
  for cookie in io.lines(args[1]) do
    requests[#requests + 1] = wrk.format("GET", nil, { Cookie = cookie })
  end
  io.write("READY\n")
  io.flush()
end

function request()
  return requests[math.random(#requests)]
end

function done(summary, latency)
  local errors = summary.errors
  io.write(string.format(
    '\nSUMMARY {"requests": %d, "micros": %d, "failed": %d, "p50": %d}\n',
    summary.requests, summary.duration,
    errors.status + errors.connect + errors.read + errors.write + errors.timeout,
    latency:percentile(50)))
end
