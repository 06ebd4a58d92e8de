package config

import (
	"fmt"
	"reflect"
	"strconv"
	"strings"
)

// Flags is one command-line flag for every setting, in the shape that the kong
// library embeds into a command: put Struct into a kong.Plugins field, and hand
// Given to Load after parsing.
//
//	flags := config.NewFlags()
//	cmd.Plugins = kong.Plugins{flags.Struct()}
//	...
//	config.Load(config.Options{Flags: flags.Given()})
type Flags struct {
	fields reflect.Value // a pointer to a struct with a *string for each key
	keys   []Key
}

// NewFlags makes the flags, none of them given.
func NewFlags() *Flags {
	f := &Flags{keys: Keys()}
	var fields []reflect.StructField
	for i, k := range f.keys {
		fields = append(fields, reflect.StructField{
			Name: "Setting" + strconv.Itoa(i),
			Type: reflect.TypeFor[*string](),
			Tag:  flagTag(k),
		})
	}
	f.fields = reflect.New(reflect.StructOf(fields))
	return f
}

// flagTag describes one flag to kong. A setting with a short flag is shown
// under that and answers to its dotted name too.
func flagTag(k Key) reflect.StructTag {
	name, aliases := k.Name, ""
	if k.Flag != "" {
		name, aliases = k.Flag, k.Name
	}
	help := k.Doc
	if k.Allowed != "" {
		help += " Allowed: " + k.Allowed + "."
	}
	placeholder := k.Default
	if placeholder == "" {
		placeholder = strings.ToUpper(k.Type[strings.LastIndexByte(k.Type, ' ')+1:])
	}
	tag := fmt.Sprintf("name:%q help:%q placeholder:%q group:%q", name, help, placeholder, k.Section)
	if aliases != "" {
		tag += fmt.Sprintf(" aliases:%q", aliases)
	}
	return reflect.StructTag(tag)
}

// Struct gives a pointer to the struct that kong fills.
func (f *Flags) Struct() any { return f.fields.Interface() }

// Given lists the flags that were given, by dotted name, for Options.Flags.
func (f *Flags) Given() map[string]string {
	given := map[string]string{}
	for i, k := range f.keys {
		if v, ok := f.fields.Elem().Field(i).Interface().(*string); ok && v != nil {
			given[k.Name] = *v
		}
	}
	return given
}
