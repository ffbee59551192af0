// Command compose is the reference implementation of the Compose Specification: the tests hold the
// agent's own reading of Compose files against it.
//
//	compose schema              prints the official JSON schema
//	compose validate            reads one JSON document a line, and says of each what the schema says
//	compose load FOLDER...      loads the compose.yml of each folder, with the .env beside it
//
// validate and load answer with one line of JSON for each document or folder: {"error": "…"},
// or what was loaded as {"project": {…}}, or {}.
package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/compose-spec/compose-go/v2/cli"
	"github.com/compose-spec/compose-go/v2/schema"
	"github.com/sirupsen/logrus"
)

// verdict is one line of the answer.
type verdict struct {
	Project json.RawMessage `json:"project,omitempty"`
	Error   string          `json:"error,omitempty"`
}

// longestLine bounds one document on standard input.
const longestLine = 1 << 20

func main() {
	// Warnings about variables and old spellings are of no interest to the tests.
	logrus.SetOutput(io.Discard)
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(arguments []string) error {
	answers := json.NewEncoder(os.Stdout)
	switch {
	case len(arguments) == 1 && arguments[0] == "schema":
		_, err := os.Stdout.WriteString(schema.Schema)
		return err
	case len(arguments) == 1 && arguments[0] == "validate":
		lines := bufio.NewScanner(os.Stdin)
		lines.Buffer(nil, longestLine)
		for lines.Scan() {
			if err := answers.Encode(validate(lines.Bytes())); err != nil {
				return err
			}
		}
		return lines.Err()
	case len(arguments) > 1 && arguments[0] == "load":
		for _, folder := range arguments[1:] {
			if err := answers.Encode(load(folder)); err != nil {
				return err
			}
		}
		return nil
	}
	return fmt.Errorf("usage: %s schema | validate | load FOLDER...", filepath.Base(os.Args[0]))
}

func validate(document []byte) verdict {
	var config map[string]any
	if err := json.Unmarshal(document, &config); err != nil {
		return verdict{Error: err.Error()}
	}
	if err := schema.Validate(config); err != nil {
		return verdict{Error: err.Error()}
	}
	return verdict{}
}

func load(folder string) verdict {
	options, err := cli.NewProjectOptions(
		[]string{filepath.Join(folder, "compose.yml")},
		cli.WithWorkingDirectory(folder),
		// The agent takes variables from this file only, never from its own environment.
		cli.WithEnvFiles(filepath.Join(folder, ".env")),
		cli.WithDotEnv,
		cli.WithName("project"),
	)
	if err != nil {
		return verdict{Error: err.Error()}
	}
	project, err := options.LoadProject(context.Background())
	if err != nil {
		return verdict{Error: err.Error()}
	}
	text, err := project.MarshalJSON()
	if err != nil {
		return verdict{Error: err.Error()}
	}
	return verdict{Project: text}
}
