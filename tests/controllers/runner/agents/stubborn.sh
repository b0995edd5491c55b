#!/bin/sh
# Ignores SIGTERM, and so does what it starts.
trap '' TERM
sleep 60 &
echo $! > child.pid
echo ready > ready
wait
sleep 60
