# listening LOG PROCESS: waits until an example listens, and prints where; fails if it ends before.
listening() {
    local base
    for _ in $(seq 100); do
        base=$(sed -n 's/^Listening on \(http:[^ ]*[0-9]\).*/\1/p' "$1")
        if [ -n "$base" ]; then
            printf '%s\n' "$base"
            return
        fi
        kill -0 "$2" || break
        sleep 0.1
    done
    cat "$1" >&2
    return 1
}
