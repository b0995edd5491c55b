// Command judge is the Kubernetes API server's own judgement of custom resources as a WASI reactor:
// CRDs on creation and update, with rule costs; decoding, defaulting, pruning and validation of objects.
//
// Nothing here re-implements a rule: it calls k8s.io/apiextensions-apiserver in the order in which
// kube-apiserver does. Built by `make judge` (GOOS=wasip1 GOARCH=wasm, -buildmode=c-shared).
//
// The host puts JSON into memory from alloc; each call takes it, and leaves its answer's JSON at
// result_ptr, result_len bytes long, until the next call.
package main

import (
	"encoding/json"
	"fmt"
	"unsafe"
)

var (
	buffers = map[uint32][]byte{}
	result  []byte
	loaded  = map[int32]*definition{}
	next    int32
)

//go:wasmexport alloc
func alloc(size uint32) uint32 {
	buffer := make([]byte, max(size, 1))
	pointer := uint32(uintptr(unsafe.Pointer(unsafe.SliceData(buffer))))
	buffers[pointer] = buffer[:size]
	return pointer
}

//go:wasmexport result_ptr
func resultPtr() uint32 { return uint32(uintptr(unsafe.Pointer(unsafe.SliceData(result)))) }

//go:wasmexport result_len
func resultLen() uint32 { return uint32(len(result)) }

// load judges a CRD as on creation. The handle it returns judges objects; -1 if the CRD is refused.
//
//go:wasmexport load
func load(pointer uint32, strict, wantCosts int32) (handle int32) {
	handle = -1
	defer guard()
	found, answer := createDefinition(take(pointer), strict != 0)
	if found != nil && wantCosts != 0 {
		answer.Costs = costs(found)
	}
	reply(answer)
	if answer.Allowed {
		next++
		handle = next
		loaded[handle] = newDefinition(found)
	}
	return handle
}

// unload forgets a CRD.
//
//go:wasmexport unload
func unload(handle int32) { delete(loaded, handle) }

// change judges the update of a CRD.
//
//go:wasmexport change
func change(pointer, old uint32, strict int32) {
	defer guard()
	reply(updateDefinition(take(pointer), take(old), strict != 0))
}

// judge judges what is done to an object; old is of no length on creation.
//
//go:wasmexport judge
func judge(handle, verb int32, pointer, old uint32, strict, wantObject int32) {
	defer guard()
	body, before := take(pointer), take(old)
	found, ok := loaded[handle]
	if !ok {
		panic(fmt.Sprintf("no CRD has the handle %d", handle))
	}
	reply(found.judge(operation(verb), body, before, strict != 0, wantObject != 0))
}

func take(pointer uint32) []byte {
	buffer := buffers[pointer]
	delete(buffers, pointer)
	return buffer
}

func reply(value verdict) { send(value) }

func send(value any) {
	encoded, err := json.Marshal(value)
	if err != nil {
		panic(err)
	}
	result = encoded
}

func guard() {
	if fault := recover(); fault != nil {
		result, _ = json.Marshal(verdict{Fault: fmt.Sprint(fault)})
	}
}

func main() {}
