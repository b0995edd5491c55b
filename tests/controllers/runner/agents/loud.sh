#!/bin/sh
# Prints 100 lines of 100 bytes.
i=0
while [ $i -lt 100 ]; do
  printf '%099d\n' $i
  i=$((i + 1))
done
