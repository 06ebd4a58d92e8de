package cli

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"io"

	"github.com/alecthomas/kong"

	"muster/internal/cli/remote"
	"muster/internal/config"
)

// settings are the flags of every command that reads the server's settings.
type settings struct {
	File  string       `name:"config" help:"Configuration file (or MUSTER_CONFIG)." placeholder:"FILE" type:"path"`
	Flags kong.Plugins `embed:""` // one for every setting

	given *config.Flags
}

// prepare makes the flags; it must be called before the grammar is read.
func (s *settings) prepare() {
	s.given = config.NewFlags()
	s.Flags = kong.Plugins{s.given.Struct()}
}

// load reads the settings from all sources.
func (s *settings) load(e *env) (config.Config, error) {
	cfg, err := config.Load(config.Options{File: s.File, Environ: e.environ, Foreign: foreign, Flags: s.given.Given()})
	if err != nil {
		f := remote.Usage("%v", err)
		f.Reason = "invalid_configuration"
		f.Advice = e.Lang.Of("docs/configuration.md lists every setting; `muster config reference` prints it", "muster config reference 可列出全部设置")
		f.Cause = err
		return config.Config{}, f
	}
	return cfg, nil
}

// configCmd is about the server's settings.
type configCmd struct {
	Check     configCheckCmd     `cmd:"" help:"Tell everything that is wrong with the settings; the exit code is 2 then."`
	Print     configPrintCmd     `cmd:"" help:"Print the settings in force as TOML, each with its source; passwords are masked."`
	Reference configReferenceCmd `cmd:"" help:"Print the page that explains every setting, in Markdown."`
	Example   configExampleCmd   `cmd:"" help:"Print a configuration file with every setting and its default, commented out."`
}

func (c *configCmd) prepare() {
	c.Check.prepare()
	c.Print.prepare()
}

type configCheckCmd struct {
	settings `embed:""`
}

// Run checks the settings.
func (c *configCheckCmd) Run(e *env) error {
	cfg, err := c.load(e)
	if err != nil {
		return c.report(e, err)
	}
	file := cmp.Or(cfg.File(), e.Lang.Of("no file", "无文件"))
	if e.Object(map[string]any{"ok": true, "file": cfg.File(), "problems": []string{}}) {
		return nil
	}
	e.Print("the configuration is right (%s)", "配置正确（%s）", file)
	return nil
}

// report prints the problems as a result for programs.
func (c *configCheckCmd) report(e *env, err error) error {
	type problem struct {
		Where   string `json:"where"`
		Key     string `json:"key,omitempty"`
		Problem string `json:"problem"`
	}
	var problems []problem
	var joined interface{ Unwrap() []error }
	if f, ok := errors.AsType[*remote.Failure](err); ok && errors.As(f.Cause, &joined) {
		for _, one := range joined.Unwrap() {
			if p, ok := errors.AsType[*config.Error](one); ok {
				problems = append(problems, problem{p.Where, p.Key, p.Problem})
			}
		}
	}
	e.Object(map[string]any{"ok": false, "problems": problems})
	return err
}

type configPrintCmd struct {
	settings  `embed:""`
	Reference bool `help:"Print the page that explains every setting instead." hidden:""`
}

// Run prints the settings.
func (c *configPrintCmd) Run(e *env) error {
	if c.Reference {
		return configReferenceCmd{}.Run(e)
	}
	cfg, err := c.load(e)
	if err != nil {
		return err
	}
	if !e.JSON {
		return cfg.Print(e.Out)
	}
	for _, key := range config.Keys() {
		text, _ := cfg.Lookup(key.Name)
		var value any = text
		if json.Valid([]byte(text)) { // TOML writes texts, numbers and lists as JSON does
			value = json.RawMessage(text)
		}
		e.Object(map[string]any{"key": key.Name, "value": value, "source": cfg.Source(key.Name)})
	}
	return nil
}

type configReferenceCmd struct{}

// Run prints the reference.
func (configReferenceCmd) Run(e *env) error { return e.page(config.WriteReference) }

type configExampleCmd struct{}

// Run prints the example.
func (configExampleCmd) Run(e *env) error { return e.page(config.WriteExample) }

// page prints a document, or {"text": ...} for programs.
func (e *env) page(write func(io.Writer) error) error {
	var b bytes.Buffer
	if err := write(&b); err != nil {
		return err
	}
	if !e.Object(map[string]string{"text": b.String()}) {
		e.Raw(b.String())
	}
	return nil
}
