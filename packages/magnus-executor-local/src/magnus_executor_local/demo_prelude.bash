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
