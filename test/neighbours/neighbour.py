# A neighbour that knows the protocol and none of our code: <file>.lock is made with O_CREAT|O_EXCL,
# stale after 60 s by its mtime, given back by unlink. The record is read as record.ts describes it.
#
#   neighbour.py <session file> <what to do> ...: says `ready`, and begins on a line from us
import json, os, sys, time, zlib

file, what, *args = sys.argv[1:]
lock = file + ".lock"

def take_once():
    try:
        os.close(os.open(lock, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
        return True
    except FileExistsError:
        return False

def take():
    while not take_once():
        try:
            if time.time() - os.stat(lock).st_mtime > 60:
                os.unlink(lock)
        except FileNotFoundError:
            pass
        time.sleep(0.001)

def add(counter):
    with open(counter, "r+") as f:
        n = int(f.read() or 0) + 1
        f.seek(0)
        f.write(str(n))

def read():
    raw = open(file, "rb").read()
    size, found = int(raw[14:22]), []
    for slot in (raw[56 : 56 + size], raw[56 + size :]):
        if slot[:39].strip():
            crc, seq, meta, data, kind = slot[:39].split()
            end = 40 + int(meta) + 1 + int(data)
            if zlib.crc32(slot[9:end]) == int(crc, 16):
                found.append((int(seq), slot[end - int(data) : end].decode()))
    return json.loads(max(found)[1])

print("ready", flush=True)
sys.stdin.readline()
if what == "add":  # <counter> <times>
    for _ in range(int(args[1])):
        take()
        add(args[0])
        os.unlink(lock)
elif what == "add without the lock":  # <counter> <times>
    for _ in range(int(args[1])):
        add(args[0])
elif what == "hold":  # until it is told to give it back
    take()
    print("held", flush=True)
    sys.stdin.readline()
    os.unlink(lock)
elif what == "try":  # once for each line
    for _ in sys.stdin:
        mine = take_once()
        if mine:
            os.unlink(lock)
        print("mine" if mine else "busy", flush=True)
elif what == "read":
    print(json.dumps(read()), flush=True)
