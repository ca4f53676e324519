// Reads a Grafana dashboard on stdin as strictly as Grafana's own types allow, and says what is wrong with it.
//
// The types are those that Grafana generates from its schema; an unknown key, a wrong type, or an option that a panel
// does not have is an error. InfluxDB's queries have no type there.
package main

import (
	"fmt"
	"io"
	"os"

	"github.com/grafana/grafana-foundation-sdk/go/cog/plugins"
	"github.com/grafana/grafana-foundation-sdk/go/dashboard"
)

func main() {
	plugins.RegisterDefaultPlugins()
	text, err := io.ReadAll(os.Stdin)
	if err != nil {
		fail(err)
	}
	var read dashboard.Dashboard
	// The library returns an empty list of errors where it means none.
	if err := read.UnmarshalJSONStrict(text); err != nil && err.Error() != "" {
		fail(err)
	}
	if err := read.Validate(); err != nil {
		fail(err)
	}
}

func fail(err error) {
	fmt.Fprintln(os.Stderr, err)
	os.Exit(1)
}
