// Command lineprotocol checks line protocol with InfluxData's own strict decoder.
//
// It reads stdin, where every line must be one point: no blank line, no comment, no line break inside a string. It
// ends with status 1 and the line's number at the first line that is not. Beyond the decoder's grammar it refuses
// duplicate tag keys, duplicate field keys and a missing timestamp. Each point is printed as one line of JSON:
//
//	{"measurement": m, "tags": {k: v}, "fields": {k: {"type": "float", "value": v}}, "time": nanoseconds}
package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/influxdata/line-protocol/v2/lineprotocol"
)

type field struct {
	Type  string      `json:"type"`
	Value interface{} `json:"value"`
}

type point struct {
	Measurement string            `json:"measurement"`
	Tags        map[string]string `json:"tags"`
	Fields      map[string]field  `json:"fields"`
	Time        int64             `json:"time"`
}

// decode reads the one point that a line without its line break must be.
func decode(line []byte) (*point, error) {
	decoder := lineprotocol.NewDecoderWithBytes(line)
	if !decoder.Next() {
		return nil, errors.New("blank line or comment")
	}
	measurement, err := decoder.Measurement()
	if err != nil {
		return nil, err
	}
	p := &point{string(measurement), map[string]string{}, map[string]field{}, 0}
	for {
		key, value, err := decoder.NextTag()
		if err != nil {
			return nil, err
		}
		if key == nil {
			break
		}
		if _, twice := p.Tags[string(key)]; twice {
			return nil, fmt.Errorf("tag %q twice", key)
		}
		p.Tags[string(key)] = string(value)
	}
	for {
		key, value, err := decoder.NextField()
		if err != nil {
			return nil, err
		}
		if key == nil {
			break
		}
		if _, twice := p.Fields[string(key)]; twice {
			return nil, fmt.Errorf("field %q twice", key)
		}
		p.Fields[string(key)] = field{value.Kind().String(), value.Interface()}
	}
	stamp, err := decoder.Time(lineprotocol.Nanosecond, time.Time{})
	if err != nil {
		return nil, err
	}
	if stamp.IsZero() {
		return nil, errors.New("no timestamp")
	}
	p.Time = stamp.UnixNano()
	if decoder.Next() {
		return nil, errors.New("more than one point in a line")
	}
	return p, nil
}

func check(in io.Reader, out io.Writer) error {
	reader, encoder := bufio.NewReader(in), json.NewEncoder(out)
	for number := 1; ; number++ {
		line, err := reader.ReadString('\n')
		if err == io.EOF && line == "" {
			return nil
		}
		if err != nil {
			return fmt.Errorf("line %d: %v before the end of the line: %q", number, err, line)
		}
		text := strings.TrimSuffix(line, "\n")
		p, err := decode([]byte(text))
		if err == nil {
			err = encoder.Encode(p)
		}
		if err != nil {
			return fmt.Errorf("line %d: %v: %q", number, err, text)
		}
	}
}

func main() {
	out := bufio.NewWriter(os.Stdout)
	err := check(os.Stdin, out)
	if flushed := out.Flush(); err == nil {
		err = flushed
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
