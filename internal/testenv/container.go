package testenv

import (
	"bytes"
	"context"
	"crypto/rand"
	"fmt"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// dockerLimit bounds how long the Docker client may take to say whether it has an engine.
const dockerLimit = 10 * time.Second

// pullLimit bounds fetching an image and creating its container.
const pullLimit = 5 * time.Minute

// haveDocker says whether a Docker engine answers; the client alone is no use.
func haveDocker(ctx context.Context) bool {
	if _, err := exec.LookPath("docker"); err != nil {
		return false
	}
	ctx, cancel := context.WithTimeout(ctx, dockerLimit)
	defer cancel()
	out, err := docker(ctx, "version", "--format", "{{.Server.Version}}")
	return err == nil && out != ""
}

// docker runs the client and gives what it printed, trimmed.
func docker(ctx context.Context, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, "docker", args...)
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := cmd.Run(); err != nil {
		return "", fmt.Errorf("docker %s: %w: %s", args[0], err, tail(errs.Bytes()))
	}
	return strings.TrimSpace(out.String()), nil
}

// container is a server from an image, published on the loopback address alone.
type container struct {
	image   string
	port    int               // of the loopback address
	inner   int               // of the container
	env     map[string]string // for the container
	args    []string          // for the image's entry point
	name    string
	watcher *watcher
}

func (c *container) start(ctx context.Context) error {
	if c.name != "" {
		_, err := docker(ctx, "start", c.name)
		return err
	}
	name := "gatehouse-test-" + strings.ToLower(rand.Text())
	w, err := watch(reapContainer, name)
	if err != nil {
		return err
	}
	c.name, c.watcher = name, w
	args := []string{"run", "--detach", "--name", name, "--publish", fmt.Sprintf("127.0.0.1:%d:%d", c.port, c.inner)}
	for key, value := range c.env {
		args = append(args, "--env", key+"="+value)
	}
	ctx, cancel := context.WithTimeout(ctx, pullLimit)
	defer cancel()
	_, err = docker(ctx, append(append(args, c.image), c.args...)...)
	return err
}

func (c *container) signal(ctx context.Context, sig syscall.Signal) error {
	_, err := docker(ctx, "kill", "--signal", strconv.Itoa(int(sig)), c.name)
	return err
}

func (c *container) wait(ctx context.Context) error {
	_, err := docker(ctx, "wait", c.name)
	return err
}

func (c *container) ended(ctx context.Context) bool {
	state, err := docker(ctx, "inspect", "--format", "{{.State.Running}}", c.name)
	return err != nil || state != "true"
}

// pid is the server's as the engine's machine counts, which may be another than ours.
func (c *container) pid(ctx context.Context) int {
	text, err := docker(ctx, "inspect", "--format", "{{.State.Pid}}", c.name)
	if err != nil {
		return 0
	}
	pid, err := strconv.Atoi(text)
	if err != nil {
		return 0
	}
	return pid
}

func (c *container) log(ctx context.Context) string {
	out, err := exec.CommandContext(ctx, "docker", "logs", "--tail", "20", c.name).CombinedOutput()
	if err != nil {
		return err.Error()
	}
	return tail(out)
}

func (c *container) discard(ctx context.Context) {
	if c.name == "" {
		return
	}
	_, _ = docker(ctx, "rm", "--force", "--volumes", c.name) // the engine says why on its own terms; nothing to add
	c.watcher.dismiss()
}
