walk graph_main &
group=$!
stopped=
trap 'stopped=SIGINT; kill -TERM -- "-$group" 2>/dev/null' INT
trap 'stopped=SIGTERM; kill -TERM -- "-$group" 2>/dev/null' TERM
trap 'stopped=SIGHUP; kill -TERM -- "-$group" 2>/dev/null' HUP
while true; do # a signal ends the waiting, not yet the walk
    wait "$group"
    code=$?
    kill -0 "$group" 2>/dev/null || break
done
if [ "$code" -gt 1 ]; then # it did not come to the end of the graph: what is open has failed
    reason="a call of magnus ended with exit code $code"
    [ -z "$stopped" ] || reason="interrupted by $stopped"
    close_run "$reason"
    if [ -n "$stopped" ]; then code=130; elif [ "$code" -eq 130 ]; then code=1; fi
fi
exit "$code"
