# neighbour.sh <session file> add <counter> <times>: a neighbour that knows the protocol, see
# neighbour.py. What noclobber does is O_CREAT|O_EXCL.
set -o noclobber
lock=$1.lock counter=$3 times=$4

take() {
  until { true >"$lock"; } 2>/dev/null; do
    find "$lock" -mmin +1 -delete 2>/dev/null
    sleep 0.001
  done
}

echo ready
read -r
for ((i = 0; i < times; i++)); do
  take
  read -r n <"$counter"
  echo $((n + 1)) >|"$counter"
  rm "$lock"
done
