# Becomes the command "$2"… in a network namespace that has one neighbour: another namespace with
# web servers. Run in a namespace of its own (unshare --net) with a folder "$1" to work in; all of
# it goes with the processes.
set -eu
folder=$1
shift
mkdir -p "$folder/www"
echo served >"$folder/www/index.html"
mkfifo "$folder/here" "$folder/go"

ip link set lo up
ip link add outside type veth peer name inside
unshare --net sh -euc '
    echo >"$1/here"
    read -r _ <"$1/go"
    ip link set lo up
    ip addr add 198.51.100.2/24 dev inside
    ip addr add 169.254.169.254/32 dev inside
    ip link set inside up
    ip route add default via 198.51.100.1
    busybox httpd -f -p 80 -h "$1/www" &
    exec busybox httpd -f -p 8080 -h "$1/www"
' sh "$folder" </dev/null >/dev/null 2>&1 &
read -r _ <"$folder/here"
ip link set inside netns $!
echo >"$folder/go"
ip addr add 198.51.100.1/24 dev outside
ip link set outside up
ip route add default via 198.51.100.2
# One of the host's own services.
busybox httpd -f -p 8080 -h "$folder/www" </dev/null >/dev/null 2>&1 &

# From here everything can be reached, or what a guest can not reach would prove nothing.
for server in 198.51.100.2:80 198.51.100.2:8080 169.254.169.254:80 198.51.100.1:8080; do
    until busybox wget -q -O /dev/null "http://$server/index.html" 2>/dev/null; do :; done
done
exec "$@"
