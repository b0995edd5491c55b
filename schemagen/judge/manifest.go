package main

import (
	"bytes"
	gojson "encoding/json"
	"errors"
	"io"

	"golang.org/x/text/encoding/unicode"
	"golang.org/x/text/transform"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/json"
	"k8s.io/apimachinery/pkg/util/yaml"
	sigsyaml "sigs.k8s.io/yaml"
)

// What kubectl looks into to tell JSON from YAML (cli-runtime, resource/visitor.go).
const sniffed = 4096

// manifest is what kubectl sends of a text: the JSON of its documents, and what ended the reading.
type manifest struct {
	Documents []string `json:"documents"`
	Error     string   `json:"error,omitempty"`
	Fault     string   `json:"fault,omitempty"`
}

// read_manifest reads a text as kubectl does: its documents one by one, until one is broken.
//
//go:wasmexport read_manifest
func readManifest(pointer uint32) {
	defer guard()
	text := transform.NewReader(bytes.NewReader(take(pointer)), unicode.BOMOverride(unicode.UTF8.NewDecoder()))
	decoder := yaml.NewYAMLOrJSONDecoder(text, sniffed)
	found := manifest{Documents: []string{}}
	for {
		raw := runtime.RawExtension{}
		err := decoder.Decode(&raw)
		if errors.Is(err, io.EOF) {
			break
		}
		if document := bytes.TrimSpace(raw.Raw); err == nil && len(document) > 0 {
			if document, err = sent(document); err == nil {
				found.Documents = append(found.Documents, string(document))
			}
		}
		if err != nil {
			found.Error = err.Error()
			break
		}
	}
	send(found)
}

// sent is a document as it goes to the API server, its numbers as kubectl holds them.
func sent(document []byte) ([]byte, error) {
	var value any
	if err := json.Unmarshal(document, &value); err != nil {
		return nil, err
	}
	return gojson.Marshal(value)
}

// read_document converts one YAML document; strict refuses repeated keys.
//
//go:wasmexport read_document
func readDocument(pointer uint32, strict int32) {
	defer guard()
	convert := sigsyaml.YAMLToJSON
	if strict != 0 {
		convert = sigsyaml.YAMLToJSONStrict
	}
	found := manifest{Documents: []string{}}
	if document, err := convert(take(pointer)); err != nil {
		found.Error = err.Error()
	} else {
		found.Documents = append(found.Documents, string(document))
	}
	send(found)
}
