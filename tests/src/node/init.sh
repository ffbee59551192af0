# Process 1 of the real node, in process and mount namespaces of its own: when it ends, so do containerd,
# kubelet, every container and every mount.
#   $1 name of the control groups  $2 folder  $3 address of containerd's socket  $4 tar of images
#   $5... the kubelet and its flags
set -eu
name=$1 folder=$2 socket=$3 images=$4
shift 4
# Network namespaces, runc's state, addresses given out, sockets, links to logs: all is hidden behind file
# systems that nobody else sees and that go with this process.
for place in /run /var/lib/cni /var/lib/kubelet /var/log/containers; do
  mkdir -p "$place"
  mount -t tmpfs tmpfs "$place"
done
mount --make-rshared /
# The node's own control groups stand where the machine's are.
for hierarchy in /sys/fs/cgroup/* /sys/fs/cgroup; do
  if [ -d "$hierarchy/$name" ] && [ ! -L "$hierarchy" ]; then
    mount --bind "$hierarchy/$name" "$hierarchy"
    # In version 2 only a group without processes may have groups with limits below it.
    if [ -e "$hierarchy/cgroup.controllers" ]; then
      mkdir "$hierarchy/init"
      echo $$ >"$hierarchy/init/cgroup.procs"
    fi
  fi
done
containerd --config "$folder/containerd.toml" >>"$folder/containerd.log" 2>&1 &
tries=0
until ctr --address "$socket" version >/dev/null 2>&1; do
  tries=$((tries + 1))
  if [ "$tries" -gt 300 ]; then
    echo "containerd does not answer; the end of its log:" >&2
    tail -n 20 "$folder/containerd.log" >&2
    exit 1
  fi
  sleep 0.1
done
ctr --address "$socket" --namespace k8s.io images import --snapshotter native "$images"
"$@" >>"$folder/kubelet.log" 2>&1 || status=$?
echo "the kubelet has ended with code ${status:-0}; the end of its log:" >&2
tail -n 20 "$folder/kubelet.log" >&2
exit 1
