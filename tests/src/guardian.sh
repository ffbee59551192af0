# The guardian: ends what its parent left behind. It reads one order a line from the parent and, when
# the pipe closes (the parent has ended, for whatever reason), kills the process groups and removes the
# folders that are still in its care.
#   watch PID | forget PID   a process group
#   keep DIR | drop DIR      a folder: to be removed at the end, no longer to be removed
#   node NAME | left NAME    a node's bridge and control groups: to be removed, no longer to be removed
trap '' HUP INT TERM
groups=
nodes=
set --

# Prints the words of $1 but for the word $2.
without() {
  for word in $1; do [ "$word" = "$2" ] || printf ' %s' "$word"; done
}

while IFS= read -r order; do
  argument=${order#* }
  case $order in
  'watch '*) groups="$groups $argument" ;;
  'forget '*) groups=$(without "$groups" "$argument") ;;
  'node '*) nodes="$nodes $argument" ;;
  'left '*) nodes=$(without "$nodes" "$argument") ;;
  'keep '*) set -- "$@" "$argument" ;;
  'drop '*)
    count=$#
    while [ "$count" -gt 0 ]; do
      folder=$1
      shift
      [ "$folder" = "$argument" ] || set -- "$@" "$folder"
      count=$((count - 1))
    done
    ;;
  esac
done
for group in $groups; do kill -s KILL -- "-$group"; done
for node in $nodes; do ip link delete "$node"; done
for round in 1 2 3 4 5; do
  left=
  for node in $nodes; do
    # Not empty, and so not removable, while a process is still on its way out.
    find /sys/fs/cgroup -depth -type d \( -path "*/$node" -o -path "*/$node/*" \) -exec rmdir {} + || left=yes
  done
  for folder in "$@"; do
    rm -rf --one-file-system -- "$folder" || left=yes
  done
  [ -n "$left" ] || break
  sleep 0.2
done
