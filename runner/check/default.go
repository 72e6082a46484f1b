package check

import (
	"reflect"
	"sort"
)

// Default is the value of an input that nobody gives; ok is false when it has
// none.
func (p *Program) Default(in Input) (value any, ok bool) {
	return defaultOf(p.Playbook.File, in)
}

func defaultOf(file string, in Input) (value any, ok bool) {
	if in.Decl.Default == nil {
		return nil, false
	}
	c := &compiler{file: file, literal: true}
	return c.input(in, in.Decl.Default), true
}

// Defaulted names the inputs that have their default value, sorted.
func (p *Program) Defaulted(values map[string]any) []string {
	var names []string
	for _, in := range p.Inputs {
		if d, ok := p.Default(in); ok && reflect.DeepEqual(d, values[in.Decl.Name]) {
			names = append(names, in.Decl.Name)
		}
	}
	sort.Strings(names)
	return names
}
