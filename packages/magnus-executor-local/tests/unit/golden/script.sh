#!/usr/bin/env bash
# The dag of pipeline.yaml as a script, rendered by magnus {version} (demo-renderer).
# dag hash: 7e81734525c56e57b493468ba9d65e9835199850b1eb3773529ce97d1b643779
#
# Usage: bash SCRIPT RUN_ID. It needs bash, and magnus on the PATH. Exits with 0 if the run succeeded, 1 if it failed, 2 or 3
# if magnus could not go on, 130 if it was interrupted. Called again with the same run id after it was killed, it goes on.
#
# Helpers that this dag does not need, functions that are called by name, and a $ that is meant as it stands:
# shellcheck disable=SC2317,SC2329,SC2016

set -u
set -m # a background process leads a group of its own, which can be ended as a whole

if [ $# -ne 1 ]; then
    printf 'usage: bash %s RUN_ID\n' "$0" >&2
    exit 2
fi
if ((BASH_VERSINFO[0] * 100 + BASH_VERSINFO[1] < 403)); then
    printf '%s: bash 4.3 or later is needed, this is %s\n' "$0" "$BASH_VERSION" >&2
    exit 2
fi
run_id=$1

# Calls magnus, which says by its exit code what comes next: 0 success, 1 failure, 75 a failed attempt that another may
# follow. With any other the run cannot go on, and the walk ends here.
call() {
    kill -0 "$$" 2>/dev/null || exit 130 # the script was killed: nobody would end what begins now
    local code=0
    "$@" </dev/null || code=$?
    case $code in
    0 | 1 | 75) return "$code" ;;
    *) exit "$code" ;;
    esac
}

# Calls magnus for a task as long as another attempt may follow. magnus itself keeps the pause between two of them.
attempt() {
    local code=75
    while [ "$code" -eq 75 ]; do
        code=0
        call "$@" || code=$?
    done
    return "$code"
}

# Opens the branches of a node; leaves in `opened` one line for each.
open_branches() {
    local code=0
    opened=$(call "$@") || code=$?
    [ "$code" -le 1 ] || exit "$code"
    return "$code"
}

# Walks one branch, FUNCTION ARGUMENT...: at once if only one may be under way, else beside the others.
branch() {
    local limit=$1
    shift
    if [ "$limit" -eq 1 ]; then
        "$@"
        return 0
    fi
    [ "$running" -lt "$limit" ] || await_branch
    [ "$broken" -eq 0 ] || return 0
    walk "$@" &
    running=$((running + 1))
}

# Walks the branch of a map, FUNCTION, for each line of `opened`, and waits for all of them.
branch_for_each_item() {
    local item
    while IFS= read -r item; do
        [ -z "$item" ] || branch "$@" "$item"
    done <<<"$opened"
    await_branches
}

# Waits until one of the branches has ended.
await_branch() {
    local code=0
    wait -n || code=$?
    running=$((running - 1))
    [ "$code" -eq 0 ] || broken=$code
}

# Waits until all of them have; if the run could not go on in one, it cannot go on.
await_branches() {
    while [ "$running" -gt 0 ]; do await_branch; done
    [ "$broken" -eq 0 ] || exit "$broken"
}

# Walks a graph in a process of its own. When that is to end, what it has called is told as well, and waited for.
walk() {
    trap 'wait; exit 130' TERM
    "$@"
}

# pipeline.yaml:24: the branch each.name.both.right
graph_each_name_both_right_410603() {
    local map_variable=$1 # the items: name
    local at='each-name-both-right-ok-c6016f'
    while true; do
        case $at in
        'each-name-both-right-ok-c6016f') # pipeline.yaml:25: ok, success
            call magnus execute_single_node --step-name each.%.both.right.ok --run-id "$run_id" --map-variable "$map_variable" --file pipeline.yaml --tag 'nightly run'
            return
            ;;
        'each-name-both-right-bad-1a1f50') # pipeline.yaml:25: bad, fail
            call magnus execute_single_node --step-name each.%.both.right.bad --run-id "$run_id" --map-variable "$map_variable" --file pipeline.yaml --tag 'nightly run'
            return
            ;;
        esac
    done
}

# pipeline.yaml:17: the branch each.name.both.left
graph_each_name_both_left_6e6eb3() {
    local map_variable=$1 # the items: name
    local at='each-name-both-left-work-dff5ac'
    while true; do
        case $at in
        'each-name-both-left-work-dff5ac') # pipeline.yaml:19: work, task
            if attempt magnus execute_single_node --step-name each.%.both.left.work --run-id "$run_id" --map-variable "$map_variable" --file pipeline.yaml --tag 'nightly run'; then
                at='each-name-both-left-ok-b45036'
            else
                at='each-name-both-left-mend-eaa3d9'
            fi
            ;;
        'each-name-both-left-mend-eaa3d9') # pipeline.yaml:20: mend, task
            if attempt magnus execute_single_node --step-name each.%.both.left.mend --run-id "$run_id" --map-variable "$map_variable" --file pipeline.yaml --tag 'nightly run'; then
                at='each-name-both-left-ok-b45036'
            else
                at='each-name-both-left-bad-6a3d0c'
            fi
            ;;
        'each-name-both-left-ok-b45036') # pipeline.yaml:21: ok, success
            call magnus execute_single_node --step-name each.%.both.left.ok --run-id "$run_id" --map-variable "$map_variable" --file pipeline.yaml --tag 'nightly run'
            return
            ;;
        'each-name-both-left-bad-6a3d0c') # pipeline.yaml:22: bad, fail
            call magnus execute_single_node --step-name each.%.both.left.bad --run-id "$run_id" --map-variable "$map_variable" --file pipeline.yaml --tag 'nightly run'
            return
            ;;
        esac
    done
}

# pipeline.yaml:11: the branch each.name
graph_each_name_35516c() {
    local map_variable=$1 # the items: name
    local opened='' running=0 broken=0
    local at='each-name-both-9c06d7'
    while true; do
        case $at in
        'each-name-both-9c06d7') # pipeline.yaml:13: both, parallel
            if open_branches magnus fan --mode 'out' --step-name each.%.both --run-id "$run_id" --map-variable "$map_variable" --file pipeline.yaml --tag 'nightly run' &&
                branch 3 graph_each_name_both_left_6e6eb3 "$map_variable" &&
                branch 3 graph_each_name_both_right_410603 "$map_variable" &&
                await_branches &&
                call magnus fan --mode 'in' --step-name each.%.both --run-id "$run_id" --map-variable "$map_variable" --file pipeline.yaml --tag 'nightly run'; then
                at='each-name-ok-48ad8a'
            else
                at='each-name-bad-ab9da8'
            fi
            ;;
        'each-name-ok-48ad8a') # pipeline.yaml:27: ok, success
            call magnus execute_single_node --step-name each.%.ok --run-id "$run_id" --map-variable "$map_variable" --file pipeline.yaml --tag 'nightly run'
            return
            ;;
        'each-name-bad-ab9da8') # pipeline.yaml:28: bad, fail
            call magnus execute_single_node --step-name each.%.bad --run-id "$run_id" --map-variable "$map_variable" --file pipeline.yaml --tag 'nightly run'
            return
            ;;
        esac
    done
}

# pipeline.yaml:2: the outermost graph
graph_main() {
    local opened='' running=0 broken=0
    local at='read-the-list-880e6c'
    while true; do
        case $at in
        'read-the-list-880e6c') # pipeline.yaml:4: read the list, task
            if attempt magnus execute_single_node --step-name read%20the%20list --run-id "$run_id" --file pipeline.yaml --tag 'nightly run'; then
                at='each'
            else
                at='failed'
            fi
            ;;
        'each') # pipeline.yaml:5: each, map
            if open_branches magnus fan --mode 'out' --step-name 'each' --run-id "$run_id" --file pipeline.yaml --tag 'nightly run' --lines &&
                branch_for_each_item 2 graph_each_name_35516c &&
                call magnus fan --mode 'in' --step-name 'each' --run-id "$run_id" --file pipeline.yaml --tag 'nightly run'; then
                at='note'
            else
                at='note'
            fi
            ;;
        'note') # pipeline.yaml:31: note, as-is
            ( # as it stands in the dag; how it ends does not matter
                :
echo "half of $run_id is done"

            ) </dev/null
            if call magnus execute_single_node --step-name 'note' --run-id "$run_id" --file pipeline.yaml --tag 'nightly run'; then
                at='done'
            else
                at='failed'
            fi
            ;;
        'done') # pipeline.yaml:36: done, success
            call magnus execute_single_node --step-name 'done' --run-id "$run_id" --file pipeline.yaml --tag 'nightly run'
            return
            ;;
        'failed') # pipeline.yaml:37: failed, fail
            call magnus execute_single_node --step-name 'failed' --run-id "$run_id" --file pipeline.yaml --tag 'nightly run'
            return
            ;;
        esac
    done
}

# Closes the run as failed, for the reason that is given.
close_run() {
    magnus execute_single_node --step-name 'failed' --run-id "$run_id" --file pipeline.yaml --tag 'nightly run' --stopped-because "$1"
}

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
