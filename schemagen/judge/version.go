package main

import (
	"k8s.io/apiextensions-apiserver/pkg/apis/apiextensions"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema/cel"
	schemavalidation "k8s.io/apiextensions-apiserver/pkg/apiserver/validation"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime/schema"
	celconfig "k8s.io/apiserver/pkg/apis/cel"
)

// definition is a CRD that the API server accepts; its versions are compiled when first used.
type definition struct {
	crd      *apiextensions.CustomResourceDefinition
	versions map[string]*version
	shapes   map[string]*shape
}

func newDefinition(crd *apiextensions.CustomResourceDefinition) *definition {
	return &definition{crd, map[string]*version{}, map[string]*shape{}}
}

// version is what the API server keeps of a served version.
type version struct {
	*shape
	of              *definition
	namespaced      bool
	validator       schemavalidation.SchemaValidator
	statusValidator schemavalidation.SchemaValidator
	rules           *cel.Validator
	status          *apiextensions.CustomResourceSubresourceStatus
	scale           *apiextensions.CustomResourceSubresourceScale
}

// version has a name, or is the one that a body with no such version would be sent to: the storage
// version, or else the first, of those that are served.
func (d *definition) version(name string) (*version, error) {
	if found, ok := d.versions[name]; ok {
		return found, nil
	}
	chosen := ""
	for _, one := range d.crd.Spec.Versions {
		switch {
		case !one.Served:
			continue
		case one.Name == name:
			return d.compile(name)
		case one.Storage || chosen == "":
			chosen = one.Name
		}
	}
	if chosen == "" {
		return nil, apierrors.NewGenericServerResponse(404, "", schema.GroupResource{}, "", "", 0, false)
	}
	return d.version(chosen)
}

// compile does for a version what crdHandler.getOrCreateServingInfoFor does.
func (d *definition) compile(name string) (*version, error) {
	props, err := apiextensions.GetSchemaForVersion(d.crd, name)
	if err != nil {
		return nil, err
	}
	shape, err := d.shape(name)
	if err != nil {
		return nil, err
	}
	root := props.OpenAPIV3Schema
	made := &version{shape: shape, of: d, namespaced: d.crd.Spec.Scope == apiextensions.NamespaceScoped}
	if made.validator, _, err = schemavalidation.NewSchemaValidator(root); err != nil {
		return nil, err
	}
	made.rules = cel.NewValidator(made.schema, true, celconfig.PerCallLimit)
	if err = d.addSubresources(made, root); err != nil {
		return nil, err
	}
	d.versions[name] = made
	return made, nil
}

func (d *definition) addSubresources(made *version, root *apiextensions.JSONSchemaProps) error {
	found, err := apiextensions.GetSubresourcesForVersion(d.crd, made.gvk.Version)
	if err != nil || found == nil {
		return err
	}
	made.status, made.scale = found.Status, found.Scale
	if status, ok := root.Properties["status"]; ok && found.Status != nil {
		made.statusValidator, _, err = schemavalidation.NewSchemaValidator(&status)
	}
	return err
}
