#!/bin/sh
# Ends by itself when it is asked to, and so does what it starts.
sleep 60 &
echo $! > child.pid
trap 'echo bye > bye; exit 0' TERM
echo ready > ready
wait
