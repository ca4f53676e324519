// Judges Terraform files with the library that Terraform itself reads them with: terraform FOLDER KNOWN, where the
// file KNOWN has what a plan would know as JSON, address → value ("var.name", "aws_s3_bucket.values.arn").
//
// It parses every file, holds it against the canonical form ("terraform fmt"), and evaluates every argument of every
// block. A reference to what no block declares, a function that is not there and a wrong type are errors, and so is a
// reference to an attribute that KNOWN does not give. Whether a provider knows a resource's arguments it cannot tell.
//
// Prints the evaluated arguments as JSON, address → argument → value, nested blocks as "block.argument". Exits with 1
// and the errors.
package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/ext/tryfunc"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/hashicorp/hcl/v2/hclwrite"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/function"
	"github.com/zclconf/go-cty/cty/function/stdlib"
	ctyjson "github.com/zclconf/go-cty/cty/json"
)

// The functions that the files may use, as Terraform names them.
var functions = map[string]function.Function{
	"can":        tryfunc.CanFunc,
	"coalesce":   stdlib.CoalesceFunc,
	"jsonencode": stdlib.JSONEncodeFunc,
	"length":     stdlib.StrlenFunc,
	"regex":      stdlib.RegexFunc,
	"replace":    stdlib.ReplaceFunc,
}

var failed bool

func complain(format string, arguments ...any) {
	fmt.Fprintf(os.Stderr, format+"\n", arguments...)
	failed = true
}

// A tree of what is known: root → name → … → value.
type tree map[string]any

func (t tree) put(address string, value any) {
	parts := strings.Split(address, ".")
	for _, part := range parts[:len(parts)-1] {
		next, is := t[part].(tree)
		if !is {
			next = tree{}
			t[part] = next
		}
		t = next
	}
	t[parts[len(parts)-1]] = value
}

func (t tree) cty() map[string]cty.Value {
	values := map[string]cty.Value{}
	for name, value := range t {
		switch value := value.(type) {
		case tree:
			values[name] = cty.ObjectVal(value.cty())
		case cty.Value:
			values[name] = value
		case string:
			values[name] = cty.StringVal(value)
		default:
			values[name] = cty.NullVal(cty.String)
		}
	}
	return values
}

// The address that others reach a block by: "" where nobody does.
func address(block *hclsyntax.Block) string {
	switch block.Type {
	case "variable":
		return "var." + block.Labels[0]
	case "resource":
		return strings.Join(block.Labels, ".")
	case "data":
		return "data." + strings.Join(block.Labels, ".")
	case "output":
		return "output." + block.Labels[0]
	}
	return ""
}

type judge struct {
	known   tree
	printed map[string]map[string]json.RawMessage
}

func (j *judge) evaluate(expression hclsyntax.Expression) (cty.Value, bool) {
	context := &hcl.EvalContext{Variables: j.known.cty(), Functions: functions}
	value, diagnostics := expression.Value(context)
	for _, diagnostic := range diagnostics {
		complain("%s", diagnostic)
	}
	return value, !diagnostics.HasErrors()
}

func (j *judge) body(address, prefix string, body *hclsyntax.Body) {
	for _, name := range slices.Sorted(maps.Keys(body.Attributes)) {
		// A type constraint and the name of an attribute are words, not values.
		if name == "type" && strings.HasPrefix(address, "var.") {
			continue
		}
		value, good := j.evaluate(body.Attributes[name].Expr)
		if !good {
			continue
		}
		text, err := ctyjson.Marshal(value, value.Type())
		if err != nil {
			complain("%s.%s%s: %s", address, prefix, name, err)
			continue
		}
		if j.printed[address] == nil {
			j.printed[address] = map[string]json.RawMessage{}
		}
		j.printed[address][prefix+name] = text
	}
	for _, block := range body.Blocks {
		j.body(address, prefix+block.Type+".", block.Body)
	}
}

func main() {
	var given map[string]any
	text, err := os.ReadFile(os.Args[2])
	if err == nil {
		err = json.Unmarshal(text, &given)
	}
	if err != nil {
		complain("%s: %s", os.Args[2], err)
		os.Exit(1)
	}
	files, _ := filepath.Glob(filepath.Join(os.Args[1], "*.tf"))
	if len(files) == 0 {
		complain("%s: no file", os.Args[1])
	}
	var blocks []*hclsyntax.Block
	for _, name := range files {
		text, err := os.ReadFile(name)
		if err != nil {
			complain("%s", err)
			continue
		}
		if !bytes.Equal(hclwrite.Format(text), text) {
			complain("%s is not formatted as \"terraform fmt\" does", name)
		}
		file, diagnostics := hclsyntax.ParseConfig(text, name, hcl.InitialPos)
		for _, diagnostic := range diagnostics {
			complain("%s", diagnostic)
		}
		if file != nil {
			blocks = append(blocks, file.Body.(*hclsyntax.Body).Blocks...)
		}
	}

	j := judge{known: tree{}, printed: map[string]map[string]json.RawMessage{}}
	declared := map[string]bool{}
	for _, block := range blocks {
		if address := address(block); address != "" {
			if declared[address] {
				complain("%s is declared twice", address)
			}
			declared[address] = true
			// What only depends on it needs nothing of it.
			j.known.put(address, tree{})
		}
	}
	for name, value := range given {
		owner := name[:strings.LastIndex(name, ".")]
		if !declared[name] && !declared[owner] {
			complain("nothing declares %s", name)
		}
		j.known.put(name, value)
	}
	// A local may use another one: as often as there are locals.
	for range 8 {
		for _, block := range blocks {
			if block.Type != "locals" {
				continue
			}
			for name, attribute := range block.Body.Attributes {
				context := &hcl.EvalContext{Variables: j.known.cty(), Functions: functions}
				if value, diagnostics := attribute.Expr.Value(context); !diagnostics.HasErrors() {
					j.known.put("local."+name, value)
				}
			}
		}
	}
	for _, block := range blocks {
		switch block.Type {
		case "locals", "terraform":
			j.body("", block.Type+".", block.Body)
		default:
			j.body(address(block), "", block.Body)
		}
	}
	if failed {
		os.Exit(1)
	}
	json.NewEncoder(os.Stdout).Encode(j.printed)
}
