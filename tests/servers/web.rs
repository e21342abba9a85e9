//! nginx in front of `git http-backend`, and in front of a registry when one is given.

use std::os::fd::OwnedFd;
use std::os::unix::net::UnixListener;
use std::process::Stdio;

use crate::process::{Server, listen};
use crate::registry::Registry;
use crate::tls::Authority;
use crate::world::{World, text};

pub(crate) const USER: &str = "git-bot";
pub(crate) const PASSWORD: &str = "battery staple";

/// One fcgiwrap serves one request at a time; more than one lets two pushes meet.
const BACKENDS: usize = 4;

/// How the server is reached, and what it wants of its clients beside the password.
pub(crate) enum Transport<'a> {
    /// Plain HTTP.
    Plain,
    /// TLS with the authority's certificate for `localhost`.
    Tls(&'a Authority),
    /// The same, and a client certificate of the authority instead of a password.
    MutualTls(&'a Authority),
}

/// A web server on loopback that serves `remotes/` below `/`.
pub(crate) struct Web {
    _servers: Vec<Server>,
    port: u16,
    scheme: &'static str,
}

impl Web {
    pub(crate) fn start(world: &World, transport: &Transport<'_>) -> Self {
        Self::serve(world, transport, None)
    }

    /// Serves the registry below `/v2/`, without a password of its own.
    pub(crate) fn with_registry(world: &World, transport: &Transport<'_>, registry: &Registry) -> Self {
        Self::serve(world, transport, Some(registry))
    }

    fn serve(world: &World, transport: &Transport<'_>, registry: Option<&Registry>) -> Self {
        std::fs::create_dir_all(world.path("web")).unwrap();
        // nginx takes `{PLAIN}`; what is tested is the client.
        world.write("web/passwords", format!("{USER}:{{PLAIN}}{PASSWORD}\n"));
        let mut servers = backends(world);
        let log = world.path("web.log");
        let (server, port) = listen(&log, |port| {
            let settings = world.write("web/nginx.conf", settings(world, transport, registry, port));
            let mut command = world.command("/usr/sbin/nginx");
            command.arg("-p").arg(world.path("web")).arg("-c").arg(settings).arg("-e").arg(world.path("web.log"));
            command
        });
        servers.push(server);
        let scheme = if matches!(transport, Transport::Plain) { "http" } else { "https" };
        Self { _servers: servers, port, scheme }
    }

    /// The URL of a path on this server.
    pub(crate) fn url(&self, path: &str) -> String {
        format!("{}://localhost:{}/{path}", self.scheme, self.port)
    }

    /// `localhost:PORT`, as image names begin.
    pub(crate) fn authority(&self) -> String {
        format!("localhost:{}", self.port)
    }
}

/// fcgiwrap takes the connections of the socket that is its standard input.
fn backends(world: &World) -> Vec<Server> {
    let socket = UnixListener::bind(world.path("web/backend.sock")).unwrap();
    let backend = || {
        let mut command = world.command("/usr/sbin/fcgiwrap");
        command.stdin(Stdio::from(OwnedFd::from(socket.try_clone().unwrap())));
        Server::start(&mut command, &world.path("backend.log"))
    };
    (0..BACKENDS).map(|_| backend()).collect()
}

fn settings(world: &World, transport: &Transport<'_>, registry: Option<&Registry>, port: u16) -> String {
    let pair = |authority: &Authority| {
        let (certificate, key) = (text(&authority.server.certificate), text(&authority.server.key));
        format!("ssl_certificate {certificate}; ssl_certificate_key {key};")
    };
    let password = format!("auth_basic test; auth_basic_user_file {};", text(&world.path("web/passwords")));
    let (listen, tls, password) = match transport {
        Transport::Plain => ("", String::new(), password),
        Transport::Tls(authority) => (" ssl", pair(authority), password),
        Transport::MutualTls(authority) => {
            let clients = format!("ssl_client_certificate {}; ssl_verify_client on;", text(&authority.certificate));
            (" ssl", format!("{} {clients}", pair(authority)), String::new())
        }
    };
    let exec_path = String::from_utf8(world.succeed("git", ["--exec-path"])).unwrap();
    let registry = registry.map_or_else(String::new, |registry| {
        format!("location /v2/ {{ proxy_pass http://{}; proxy_set_header Host $http_host; }}", registry.authority())
    });
    format!(
        "daemon off; master_process off; pid nginx.pid; error_log stderr warn;
        events {{ }}
        http {{
          access_log off; client_max_body_size 0;
          client_body_temp_path body; proxy_temp_path proxy; fastcgi_temp_path fastcgi;
          uwsgi_temp_path uwsgi; scgi_temp_path scgi;
          server {{
            listen 127.0.0.1:{port}{listen}; server_name localhost; {tls}
            {registry}
            location / {{
              {password}
              fastcgi_pass unix:{socket};
              fastcgi_param SCRIPT_FILENAME {exec_path}/git-http-backend;
              fastcgi_param GIT_PROJECT_ROOT {remotes};
              fastcgi_param GIT_HTTP_EXPORT_ALL 1;
              fastcgi_param PATH_INFO $uri;
              fastcgi_param REMOTE_USER $remote_user;
              fastcgi_param REMOTE_ADDR $remote_addr;
              fastcgi_param REQUEST_METHOD $request_method;
              fastcgi_param QUERY_STRING $query_string;
              fastcgi_param CONTENT_TYPE $content_type;
              fastcgi_param CONTENT_LENGTH $content_length;
            }}
          }}
        }}\n",
        exec_path = exec_path.trim(),
        socket = text(&world.path("web/backend.sock")),
        remotes = text(&world.path("remotes")),
    )
}
