# Runs the kernel's forwarding tests inside the guest, one after the other. Where /run/judge/weir is
# there, weir serves every bridge that a test makes.
#
# Tells the host, a line each, by "JUDGE": of a test (end), of its parts (line), of weir (weir).
# The host reads nothing else; other lines are for people.

cp -r /run/judge/selftests /root/net
cd /root/net/forwarding || exit
for end in 0 2 4 6 8; do
    ip link add veth$end type veth peer name veth$((end + 1))
    ip link set veth$end up
    ip link set veth$((end + 1)) up
done
{
    echo 'NETIFS=('
    for end in 0 1 2 3 4 5 6 7 8 9; do echo "[p$((end + 1))]=veth$end"; done
    echo ')'
    echo 'NETIF_TYPE=veth NETIF_CREATE=no WAIT_TIME=3'
} > forwarding.config

weir=/run/judge/weir
serving=/root/serving # the bridge that weir serves, by index
log=/root/weir.log

# Bridges that are up and have a port: "index name port".
bridges() {
    ip -o link show type bridge up 2>/dev/null | while IFS=': ' read -r index name _; do
        port=$(ip -o link show master "$name" 2>/dev/null | sed -n '1s/^[0-9]*: \([^:@]*\).*/\1/p')
        [ -z "$port" ] || echo "$index $name $port"
    done
}

# The tests sleep before they send, so that links settle: weir has to be there by then, too.
if [ -x $weir ]; then
    declare -f bridges >> forwarding.config
    cat >> forwarding.config <<'HOOK'
sleep() {
    local tries first
    for ((tries = 0; tries < 300; tries++)); do
        first=$(bridges | sed -n '1s/ .*//p')
        [ "$first" != "$(cat /root/serving 2>/dev/null)" ] || break
        command sleep 0.1
    done
    command sleep "$@"
}
HOOK
fi

# Says what weir has done on the bridge that it served: ports at the gate, frames that it took, those
# of them that it left to the bridge, and what was lost.
account() {
    $weir stats --json > /root/stats 2>/dev/null || return
    jq -r --arg ports "$ports" \
        '"JUDGE weir \($ports) \(.ledger.received) \(.ledger.passed) \(.ledger.lost)"' /root/stats
}

at_the_gate() {
    $weir port list --json 2>/dev/null | jq '[.ports[] | select(.mode == "gate")] | length'
}

# Serves the first bridge that there is; none of the tests has two at a time.
serve() {
    local pid= on= ports= index name port seen
    while sleep 0.2; do
        read -r index name port <<< "$(bridges | head -n 1)"
        if [ -n "$pid" ] && ! kill -0 $pid 2>/dev/null; then
            echo "JUDGE died $(tail -n 1 $log)"
            pid=
        fi
        if [ -n "$on" ] && [ "$index" != "$on" ]; then
            if [ -n "$pid" ]; then
                account >> /root/accounts
                kill $pid 2>/dev/null
                wait $pid || echo "JUDGE died $(tail -n 1 $log)"
            fi
            pid= on=
            rm -f $serving
        fi
        if [ -n "$port" ] && [ -z "$on" ]; then
            $weir run --bridge "$name" --uplink "$port" --mode gate > $log 2>&1 &
            pid=$! on=$index ports=0
            # It is said once all ports that are there have been taken in hand.
            for _ in $(seq 300); do
                kill -0 $pid 2>/dev/null && ! grep -q ' forwarding ' $log || break
                sleep 0.1
            done
            echo "$on" > $serving
        fi
        if [ -n "$pid" ]; then
            seen=$(at_the_gate)
            [ "${seen:-0}" -le "$ports" ] || ports=$seen
        fi
    done
}

[ ! -x $weir ] || serve &

for test in $(cat /run/judge/tests); do
    echo "JUDGE begin $test"
    : > /root/accounts
    start=$SECONDS
    : > /root/out
    set -m # or it, and all that it starts, would ignore interrupts
    timeout "$(cat /run/judge/seconds)" "./$test.sh" > /root/out 2>&1 &
    set +m
    # Its parts as they come; by way of a file, which nothing that it leaves running can hold open.
    tail -n +1 -f --pid=$! /root/out | sed -un 's/^\(TEST\|SKIP\): /JUDGE line &/p'
    wait $!
    code=$?
    # Until weir has given its account of the last bridge.
    for _ in $(seq 100); do
        [ -e $serving ] || break
        sleep 0.1
    done
    grep -avE '^(TEST|SKIP):' /root/out | head -n 20
    cat /root/accounts
    # A test that was ended half-way leaves these behind.
    ip -o link show type bridge | sed 's/^[0-9]*: \([^:@]*\).*/\1/' | while read -r left; do
        ip link del "$left"
    done
    echo "JUDGE end $test $code $((SECONDS - start))"
done
