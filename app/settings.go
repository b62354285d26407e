package app

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"time"

	"github.com/gatehouse/gatehouse/core/audit"
	"github.com/gatehouse/gatehouse/core/blob"
	"github.com/gatehouse/gatehouse/core/cache"
	"github.com/gatehouse/gatehouse/core/config"
	"github.com/gatehouse/gatehouse/core/database"
	"github.com/gatehouse/gatehouse/core/egress"
	"github.com/gatehouse/gatehouse/core/event"
	"github.com/gatehouse/gatehouse/core/event/servicebus"
	"github.com/gatehouse/gatehouse/core/httpapi"
	"github.com/gatehouse/gatehouse/core/job"
	"github.com/gatehouse/gatehouse/core/mail"
	"github.com/gatehouse/gatehouse/core/password"
	"github.com/gatehouse/gatehouse/core/secret"
	"github.com/gatehouse/gatehouse/core/telemetry"
	"github.com/gatehouse/gatehouse/core/token"
)

// Settings are those that belong to no part: the root of the settings file.
type Settings struct {
	Env       string        `conf:"env" default:"development" enum:"development,production" doc:"development starts with nothing set and listens on loopback; production refuses what is not safe"`
	Insecure  bool          `conf:"insecure" default:"false" doc:"lets development listen beyond loopback, and production use plain text to a store or mail server whose URL spells it"`
	DataDir   string        `conf:"data_dir" default:"./data" doc:"folder of the embedded database, of mail that no server takes, and of pictures that no other store keeps"`
	MasterKey secret.String `conf:"master_key" default:"" doc:"32 random bytes in standard base64, which wrap the installation's root secret; new,old while changing it; production needs one"`
}

// OpsSettings are the operations listener's, under "ops".
type OpsSettings struct {
	Addr string `conf:"addr" default:"127.0.0.1:9090" doc:"address of the listener for health, metrics and profiles, host:port; empty for none"`
}

// Check reports what does not hold together.
func (s *OpsSettings) Check(report func(field, fault string)) {
	if s.Addr != "" && !httpapi.IsAddr(s.Addr) {
		report("addr", httpapi.NoAddr)
	}
}

// settings are all parts of core; each module adds its own.
type settings struct {
	root       Settings
	http       httpapi.Settings
	ops        OpsSettings
	database   database.Settings
	redis      cache.RedisSettings
	password   password.Settings
	token      token.Settings
	worker     job.Settings
	events     event.Settings
	servicebus servicebus.Settings
	egress     egress.Settings
	audit      audit.Settings
	mail       mail.Settings
	blob       blob.Settings
	telemetry  telemetry.Settings
}

func (s *settings) parts() []config.Part {
	return []config.Part{
		{Into: &s.root}, {Path: "http", Into: &s.http}, {Path: "ops", Into: &s.ops}, {Path: "database", Into: &s.database},
		{Path: "redis", Into: &s.redis}, {Path: "password", Into: &s.password}, {Path: "token", Into: &s.token}, {Path: "worker", Into: &s.worker}, {Path: eventsName, Into: &s.events},
		{Path: eventsName, Into: &s.servicebus},
		{Path: "egress", Into: &s.egress}, {Path: audit.Name, Into: &s.audit},
		{Path: "mail", Into: &s.mail}, {Path: "blob", Into: &s.blob}, {Path: "log", Into: &s.telemetry},
	}
}

// productionDrainDelay applies where drain_delay is not set: time for load balancers to see that we are not ready.
const productionDrainDelay = 5 * time.Second

func (s *settings) production() bool { return s.root.Env == "production" }

// masterKey falls back to a public one, which only development accepts.
func (s *settings) masterKey() secret.String {
	if s.root.MasterKey.IsZero() && !s.production() {
		return token.DevelopmentMasterKey
	}
	return s.root.MasterKey
}

// ErrUnsafe is a combination of settings that the environment forbids.
var ErrUnsafe = errors.New("refusing to start")

// checkSafety refuses what the environment forbids, all of it at once.
func (s *settings) checkSafety(faults []string) error {
	if len(faults) == 0 {
		return nil
	}
	return fmt.Errorf("%w in %s:\n  - %s", ErrUnsafe, s.root.Env, strings.Join(faults, "\n  - "))
}

// unsafe lists what the environment forbids, each with what to do about it.
func (s *settings) unsafe(limitsOn bool, exposed []config.Exposed) []string {
	var faults []string
	say := func(format string, args ...any) { faults = append(faults, fmt.Sprintf(format, args...)) }
	if !s.root.MasterKey.IsZero() {
		if err := token.CheckMasterKeys(s.root.MasterKey); err != nil {
			say("master_key: %v", err)
		}
	}
	if at := s.mail.Target(s.root.DataDir); at.PlainText && at.SignIn && !s.root.Insecure {
		say("mail.url sends its password to another machine in plain text: remove ?tls=none, or set insecure=true")
	}
	if s.production() {
		s.checkProduction(limitsOn, exposed, say)
	} else if !s.root.Insecure {
		if beyondLoopback(s.http.Addr) {
			say("http.addr %s is beyond loopback: set env=production, or insecure=true if you know what you do", s.http.Addr)
		}
		if beyondLoopback(s.ops.Addr) {
			say("ops.addr %s is beyond loopback: set env=production, or insecure=true if you know what you do", s.ops.Addr)
		}
	}
	return faults
}

func (s *settings) checkProduction(limitsOn bool, exposed []config.Exposed, say func(string, ...any)) {
	switch {
	case s.root.MasterKey.IsZero():
		say("master_key is not set: put the output of `openssl rand -base64 32` into GATEHOUSE_MASTER_KEY, and keep it")
	case token.UsesDevelopmentKey(s.root.MasterKey):
		say("master_key is the public development key: set it to <a new key>,<that key>")
	}
	if !strings.HasPrefix(s.http.PublicURL, "https://") {
		say("http.public_url must be the https:// URL at which people reach this service")
	}
	if s.mail.Target(s.root.DataDir).Folder != "" {
		say("mail.url writes mail to a folder: set it to smtps://… or smtp://…, where people get it")
	}
	if s.mail.From == "" {
		say("mail.from must be the address that mail comes from, as Name <address>")
	}
	if !limitsOn {
		say("ratelimit.enabled=false switches off every limit: remove it")
	}
	if !s.root.Insecure {
		s.checkPlainText(say)
	}
	for _, e := range exposed {
		say("%s was read from %s, which everybody on this machine may read: chmod 600 it", e.Path, e.File)
	}
}

// checkPlainText says what others on the network could read.
func (s *settings) checkPlainText(say func(string, ...any)) {
	if database.PlainTextBeyondLoopback(s.database.URL.Reveal()) || database.PlainTextBeyondLoopback(s.database.DirectURL.Reveal()) {
		say("database.url asks for plain text beyond loopback: remove sslmode=disable, or set insecure=true")
	}
	if cache.PlainTextBeyondLoopback(s.redis.URL) {
		say("redis.url asks for plain text beyond loopback: use rediss://, or set insecure=true")
	}
	if s.blob.Target(s.root.DataDir).PlainText {
		say("blob.url asks for plain text beyond loopback: use an https:// endpoint, or set insecure=true")
	}
	for _, path := range s.servicebus.PlainText() {
		say("events.%s asks for plain text: remove UseDevelopmentEmulator from its connection_string, or set insecure=true", path)
	}
	if s.egress.PlainHTTP {
		say("egress.plain_http lets what webhooks tell be read on its way: remove it, or set insecure=true")
	}
	if at := s.mail.Target(s.root.DataDir); at.PlainText && !at.SignIn { // with a password it was refused above
		say("mail.url asks for plain text beyond loopback: remove ?tls=none, or set insecure=true")
	}
}

// beyondLoopback says whether an address can be reached from another machine.
func beyondLoopback(addr string) bool {
	if addr == "" {
		return false
	}
	host, _, err := net.SplitHostPort(addr)
	if err != nil || host == "localhost" {
		return false // what cannot be read is refused when it is listened on
	}
	ip, err := netip.ParseAddr(host)
	return err != nil || !ip.IsLoopback()
}
