# Moves the real node into control groups of its own, one in every hierarchy, and goes on with $2 in a
# namespace that takes them for the roots.
#   $1 name of the control groups  $2 script  $3... the script's arguments
set -eu
name=$1 script=$2
shift 2
if [ -e /sys/fs/cgroup/cgroup.controllers ]; then
  for controller in $(cat /sys/fs/cgroup/cgroup.controllers); do
    # Refused where the machine's own root has processes: the node does without that controller.
    echo "+$controller" >/sys/fs/cgroup/cgroup.subtree_control || :
  done 2>/dev/null
fi
for hierarchy in /sys/fs/cgroup /sys/fs/cgroup/*; do
  if [ -e "$hierarchy/cgroup.procs" ] && [ ! -L "$hierarchy" ]; then
    [ -d "$hierarchy/$name" ] || mkdir "$hierarchy/$name"
    # Without processors and memory of its own, a version 1 group of this kind takes no process.
    for set in cpuset.cpus cpuset.mems; do
      if [ "${hierarchy##*/}" = cpuset ]; then cat "$hierarchy/$set" >"$hierarchy/$name/$set"; fi
    done
    echo $$ >"$hierarchy/$name/cgroup.procs"
  fi
done
exec unshare --cgroup /bin/sh -c "$script" node "$name" "$@"
