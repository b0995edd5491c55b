#!/bin/sh
# Ends, but leaves behind a process that holds its output open.
sleep 60 &
echo $! > child.pid
echo done
