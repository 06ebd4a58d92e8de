// Package config is the one declaration of every setting of the server: its
// name, default, meaning, unit and allowed values stand as tags on the fields
// below, and the file parser, the environment, the command line, the printed
// configuration, docs/configuration.md and deploy/muster.toml all follow from
// them. To add a setting, add a field and run the package's tests with -update.
//
// A value comes from, the later winning: the default, the TOML file, the
// environment (MUSTER_SERVER_LISTEN for server.listen), the flags
// (--server.listen). A key or MUSTER_ variable that is not declared is an error,
// and all errors are reported at once.
//
// The package does not watch the file and does not open what the settings name
// (certificates, databases); it reads the clock of nobody and the environment
// only as it is handed in.
package config

import (
	"net/netip"
	"time"
)

// Config holds every setting. Load makes one from all sources, Default one
// without any. The tags of the fields are described at declaration.
type Config struct {
	Server    Server    `key:"server" doc:"Where the node listens, where its data lies and what it does."`
	TLS       TLS       `key:"tls" doc:"Certificate of the main port. Without one the server speaks plain HTTP and belongs behind a proxy that adds TLS."`
	Ops       Ops       `key:"ops" doc:"Metrics and profiles for those who run the server."`
	Log       Log       `key:"log" doc:"What is logged, to standard error."`
	Database  Database  `key:"database" doc:"Where everything durable is kept: the embedded SQLite, or PostgreSQL."`
	Bus       Bus       `key:"bus" doc:"How the parts of the server tell each other about messages: inside the process, or between nodes over NATS."`
	Accounts  Accounts  `key:"accounts" doc:"Registration, passwords, sessions and login limits."`
	Live      Live      `key:"live" doc:"The live socket at /live, one for each client."`
	Channels  Channels  `key:"channels" doc:"Live rooms and their rosters."`
	Groups    Groups    `key:"groups" doc:"Durable rooms and their messages."`
	Enrolment Enrolment `key:"enrolment" doc:"The jobs that bring a channel's roster into a group."`

	// sources says where each value came from, by key; a key that is not in
	// it has its default.
	sources map[string]string
	// file is the configuration file that was read, "" if none was.
	file string
}

// Server is the section server.
type Server struct {
	Listen            string         `key:"listen" flag:"listen" default:"127.0.0.1:8080" form:"address" doc:"TCP address of the API, the live socket and the web client. An empty host means all interfaces."`
	PublicURL         string         `key:"public_url" form:"web" doc:"Address under which people reach the server, for links and for the origin check; empty takes it from each request."`
	Data              string         `key:"data" flag:"data" default:"./data" form:"path" doc:"Directory of the embedded database and of whatever else the server writes; made at the first start. A relative path counts from the working directory."`
	TrustedProxies    []netip.Prefix `key:"trusted_proxies" doc:"Addresses or networks of reverse proxies whose X-Forwarded-For and X-Forwarded-Proto are believed. From anyone else these headers are ignored."`
	ReadHeaderTimeout time.Duration  `key:"read_header_timeout" default:"3s" min:"100ms" max:"1m" doc:"How long a client may take to send the header of a request."`
	MaxBody           Size           `key:"max_body" default:"4MiB" min:"64KiB" max:"256MiB" doc:"Largest body of one API request. A roster import is a stream of such messages and has no limit as a whole."`
	ShutdownTimeout   time.Duration  `key:"shutdown_timeout" default:"15s" min:"1s" max:"10m" doc:"How long a shutdown waits for requests under way before it cuts them off."`
	Roles             []string       `key:"roles" flag:"roles" default:"all" oneof:"all account channel group gateway media voice" doc:"What this node does. Anything but all needs other nodes, hence PostgreSQL and bus.kind = nats."`
}

// TLS is the section tls.
type TLS struct {
	Cert string `key:"cert" form:"path" doc:"PEM file with the certificate chain; goes with tls.key."`
	Key  string `key:"key" form:"path" doc:"PEM file with the private key; goes with tls.cert."`
}

// Ops is the section ops.
type Ops struct {
	Listen string `key:"listen" form:"address" doc:"TCP address of /metrics and /debug/pprof, without authentication: keep it on loopback or on a private network. Empty is off."`
}

// Log is the section log.
type Log struct {
	Level  string `key:"level" default:"info" oneof:"debug info warn error" doc:"Least severe level that is logged."`
	Format string `key:"format" default:"text" oneof:"text json" doc:"Form of a log line."`
}

// Database is the section database.
type Database struct {
	URL            Secret `key:"url" flag:"database" form:"postgres" doc:"PostgreSQL to use. Empty is the embedded SQLite in server.data."`
	URLFile        string `key:"url_file" form:"path" doc:"File that holds database.url, for credentials handed over as files (systemd, containers); goes instead of it."`
	MaxConnections int    `key:"max_connections" default:"16" min:"2" max:"1000" unit:"connections" doc:"Most connections to PostgreSQL at once. SQLite does not use it."`
	Readers        int    `key:"readers" default:"0" min:"0" max:"256" unit:"connections" doc:"Connections that read SQLite beside the one that writes; 0 is one more than there are CPUs. PostgreSQL does not use it."`
}

// Bus is the section bus.
type Bus struct {
	Kind             string   `key:"kind" default:"local" oneof:"local nats" doc:"local is inside this process and right for one node; nats connects several."`
	NATSURLs         []Secret `key:"nats_urls" form:"nats" doc:"Servers of an external NATS cluster. Empty with bus.kind = nats runs NATS inside this process."`
	ClusterListen    string   `key:"cluster_listen" form:"address" doc:"TCP address on which the embedded NATS takes routes from the other nodes. Off loopback it needs bus.tls_cert, bus.tls_key and bus.tls_ca."`
	ClusterAdvertise string   `key:"cluster_advertise" form:"peer" doc:"cluster_listen as the other nodes reach it, where that is another address."`
	ClusterRoutes    []string `key:"cluster_routes" form:"peer" doc:"cluster_listen addresses of other nodes; one that is up is enough. This node's own may be among them, so that all nodes can have the same list."`
	ClusterPlain     bool     `key:"cluster_plain" doc:"Lets routes off loopback do without TLS. Whoever reaches the port is then a node: only for a network that encrypts and keeps strangers out itself."`
	NATSCredentials  string   `key:"nats_credentials" form:"path" doc:"NATS credentials file for bus.nats_urls."`
	TLSCert          string   `key:"tls_cert" form:"path" doc:"PEM file with this node's certificate towards NATS and the other nodes."`
	TLSKey           string   `key:"tls_key" form:"path" doc:"PEM file with the private key of bus.tls_cert."`
	TLSCA            string   `key:"tls_ca" form:"path" doc:"PEM file with the authority that the other side's certificate must come from, in both directions."`
}

// Accounts is the section accounts.
type Accounts struct {
	Registration            string        `key:"registration" default:"open" oneof:"open closed" doc:"Whether people may make an account for themselves. When closed, administrators make them."`
	SessionLifetime         time.Duration `key:"session_lifetime" default:"90d" min:"5m" max:"3650d" doc:"How long a sign-in holds, counted from the sign-in."`
	ClaimLifetime           time.Duration `key:"claim_lifetime" default:"14d" min:"1m" max:"366d" doc:"How long the one-time token holds with which somebody takes over an account that an administrator made, or sets a new password."`
	PasswordMin             int           `key:"password_min" default:"8" min:"8" max:"64" unit:"characters" doc:"Shortest password that is accepted. 15 is good advice."`
	Argon2Memory            Size          `key:"argon2_memory" default:"19MiB" min:"8MiB" max:"1GiB" doc:"Memory that the hash of one password takes, while it is made."`
	Argon2Time              int           `key:"argon2_time" default:"2" min:"1" max:"20" unit:"passes" doc:"Passes over that memory. 19MiB and 2 cost about 40 ms."`
	HashConcurrency         int           `key:"hash_concurrency" default:"0" min:"0" max:"1024" unit:"hashes" doc:"Passwords that are hashed at the same time; 0 is one for each CPU. The memory for all is this times argon2_memory."`
	LoginAttemptsPerAccount int           `key:"login_attempts_per_account" default:"10" min:"1" max:"10000" unit:"attempts" doc:"Failed logins to one account in login_window after which more are refused. Those from a network where the account is signed in count apart, so that nobody can lock its owner out."`
	LoginAttemptsPerAddress int           `key:"login_attempts_per_address" default:"50" min:"1" max:"100000" unit:"attempts" doc:"Failed logins from one address (one /64 network of IPv6) in login_window after which more are refused."`
	RegistrationsPerAddress int           `key:"registrations_per_address" default:"50" min:"1" max:"100000" unit:"accounts" doc:"Accounts that may be registered from one address (one /64 network of IPv6) in login_window."`
	LoginWindow             time.Duration `key:"login_window" default:"15m" min:"1s" max:"24h" doc:"Length of the sliding window in which failed logins and registrations are counted."`
	WhoMayCreateChannels    string        `key:"who_may_create_channels" default:"everyone" oneof:"everyone admins" doc:"Who may create a channel at the top of the tree: every account, or administrators of the server."`
}

// Live is the section live.
type Live struct {
	Origins             []string      `key:"origins" form:"origin" doc:"Origins of web pages that may open the live socket, beside the server's own. A client that is not a browser sends none and is let in."`
	MaxFrame            Size          `key:"max_frame" default:"64KiB" min:"4KiB" max:"16MiB" doc:"Largest frame that a client may send; a larger one closes the connection with code 1009."`
	MessagesPerSecond   int           `key:"messages_per_second" default:"20" min:"1" max:"1000000" unit:"frames/s" doc:"Frames that one connection may send, on average."`
	Burst               int           `key:"burst" default:"100" min:"1" max:"1000000" unit:"frames" doc:"Frames that one connection may send at once, after it was quiet."`
	HelloTimeout        time.Duration `key:"hello_timeout" default:"5s" min:"100ms" max:"1m" doc:"How long a new connection may take to say who it is."`
	IdlePing            time.Duration `key:"idle_ping" default:"30s" min:"1s" max:"10m" doc:"Silence after which a client is pinged; after as long again without an answer it is cut off."`
	WriteQueue          Size          `key:"write_queue" default:"256KiB" min:"16KiB" max:"64MiB" doc:"What may wait for one slow client before it is told that it missed something (channel) or must fetch it (group)."`
	Engine              string        `key:"engine" default:"auto" oneof:"auto loops threads" doc:"What moves the frames: loops are event loops that own the plain sockets (Linux), threads is a goroutine for each connection, auto is the better one that the system has. Sockets with TLS have a goroutine each with all of them."`
	HandshakesPerSecond int           `key:"handshakes_per_second" default:"1000" min:"0" max:"1000000" unit:"connections/s" doc:"New connections that are let in, so that everybody's return after a cut does not drown the server; the others are told when to come back. Fewer are let in while messages come late. 0 is no limit."`
	HandshakeBurst      int           `key:"handshake_burst" default:"1000" min:"1" max:"1000000" unit:"connections" doc:"New connections that are let in at once, after a while without any."`
}

// Channels is the section channels.
type Channels struct {
	MaxText             int  `key:"max_text" default:"4000" min:"1" max:"65536" unit:"bytes" doc:"Longest message in a channel, in UTF-8."`
	MaxDepth            int  `key:"max_depth" default:"8" min:"1" max:"64" unit:"levels" doc:"Deepest nesting of the tree of channels."`
	ImportLineMax       Size `key:"import_line_max" default:"64KiB" min:"1KiB" max:"1MiB" doc:"Longest line of a roster file; a longer one is reported and skipped."`
	AnnouncePeopleLimit int  `key:"announce_people_limit" default:"300" min:"0" max:"100000" unit:"people" doc:"Above this many people in a channel, not everybody is told of each who comes and goes: a count goes out once a second instead."`
}

// Groups is the section groups.
type Groups struct {
	MaxText     Size `key:"max_text" default:"16KiB" min:"256B" max:"1MiB" doc:"Longest message in a group, in UTF-8."`
	MaxMembers  int  `key:"max_members" default:"0" min:"0" max:"2000000000" unit:"members" doc:"Most members of one group; 0 is no limit."`
	HistoryPage int  `key:"history_page" default:"200" min:"1" max:"10000" unit:"messages" doc:"Most messages in one page of history."`
	SyncBytes   Size `key:"sync_bytes" default:"4MiB" min:"64KiB" max:"64MiB" doc:"Most bytes of messages in one answer to a sync; the rest comes with the next."`
}

// Enrolment is the section enrolment.
type Enrolment struct {
	Window              time.Duration `key:"window" default:"24h" min:"1s" max:"366d" doc:"Length of the sliding window in which successful requests for an enrolment are counted."`
	PerGroup            int           `key:"per_group" default:"3" min:"1" max:"1000000" unit:"requests" doc:"Successful requests for one group in the window."`
	PerRequester        int           `key:"per_requester" default:"10" min:"1" max:"1000000" unit:"requests" doc:"Successful requests by one account in the window."`
	Page                int           `key:"page" default:"2000" min:"1" max:"100000" unit:"people" doc:"People in one transaction of an enrolment, to begin with; it halves when senders wait and grows when they do not."`
	MaxPage             int           `key:"max_page" default:"4000" min:"1" max:"100000" unit:"people" doc:"Most people in one transaction of an enrolment."`
	InvitationExpiry    time.Duration `key:"invitation_expiry" default:"14d" min:"1m" max:"3650d" doc:"How long an invitation can be answered when the request does not say."`
	InvitationExpiryMax time.Duration `key:"invitation_expiry_max" default:"90d" min:"1m" max:"3650d" doc:"The longest that a request may say."`
	Lease               time.Duration `key:"lease" default:"15s" min:"1s" max:"10m" doc:"How long a worker that died holds its enrolment before another process takes over."`
	TargetWait          time.Duration `key:"target_wait" default:"10ms" min:"1ms" max:"10s" doc:"Senders' wait for the database above which an enrolment makes its pages smaller."`
}

// RoleAll in Server.Roles means every role.
const RoleAll = "all"

// Values of Bus.Kind.
const (
	BusLocal = "local"
	BusNATS  = "nats"
)

// Values of Accounts.Registration.
const (
	RegistrationOpen   = "open"
	RegistrationClosed = "closed"
)

// Values of Accounts.WhoMayCreateChannels.
const (
	CreateEveryone = "everyone"
	CreateAdmins   = "admins"
)

// Values of Log.Format; those of Log.Level are what slog.Level reads.
const (
	LogText = "text"
	LogJSON = "json"
)

// HasRole says whether the node does what the role names ("gateway").
func (s Server) HasRole(role string) bool {
	for _, r := range s.Roles {
		if r == role || r == RoleAll {
			return true
		}
	}
	return false
}

// SQLite says whether the embedded database is used.
func (d Database) SQLite() bool { return d.URL == "" }

// Default gives the configuration without any file, variable or flag.
func Default() Config {
	c := Config{sources: map[string]string{}}
	for _, d := range declared(&c) {
		if d.Default == "" {
			continue
		}
		if err := d.set(d.Default); err != nil {
			panic("config: the default of " + d.Name + " is not valid: " + err.Error())
		}
	}
	return c
}
