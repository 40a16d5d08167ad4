//! A real web server on a backend.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use anyhow::{Context as _, Result};

use super::{Lab, Process, tool, wait_until};

/// nginx in the namespace of a backend; it ends with the value.
#[derive(Debug)]
pub struct Nginx {
    process: Process,
    home: PathBuf,
}

impl Nginx {
    /// Starts nginx on ports 80 and 8080 of all addresses of `node`, and waits until it listens.
    ///
    /// `/` answers `NAME` and a line feed, `/ends` the addresses and the port of the connection as it sees them
    /// (`CLIENT OWN PORT`), `/healthz` answers `ok`, `/big` sends `big_bytes` bytes of zeroes.
    ///
    /// # Errors
    /// nginx is missing, refuses its configuration or does not listen within ten seconds.
    pub fn start(lab: &Lab, node: &str, name: &str, big_bytes: u64) -> Result<Self> {
        let home = home(lab, name)?;
        let context = || format!("preparing {}", home.display());
        // A hole, so that its size costs nothing.
        fs::File::create(home.join("big"))
            .and_then(|file| file.set_len(big_bytes))
            .with_context(context)?;
        let listen = ["80", "8080"].map(|port| {
            format!(
                "listen 0.0.0.0:{port} backlog=4096; listen [::]:{port} ipv6only=on backlog=4096;"
            )
        });
        Self::run(lab, node, name, home, &listen.concat())
    }

    /// As [`Nginx::start`], on port 443 alone and with TLS, by a certificate that it signed itself. It has a name of its
    /// own among all servers of the lab.
    ///
    /// # Errors
    /// As [`Nginx::start`], or openssl is missing.
    pub fn start_tls(lab: &Lab, node: &str, name: &str) -> Result<Self> {
        let home = home(lab, name)?;
        let [key, certificate] = ["key.pem", "certificate.pem"].map(|file| home.join(file));
        let mut openssl = Command::new("openssl");
        openssl.args([
            "req",
            "-x509",
            "-nodes",
            "-days",
            "1",
            "-subj",
            "/CN=lb-lab",
        ]);
        openssl.args(["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"]);
        openssl
            .arg("-keyout")
            .arg(&key)
            .arg("-out")
            .arg(&certificate);
        tool::run(&mut openssl)?;
        let listen = format!(
            "listen 0.0.0.0:443 ssl; listen [::]:443 ssl ipv6only=on;
            ssl_certificate {}; ssl_certificate_key {};",
            certificate.display(),
            key.display()
        );
        Self::run(lab, node, name, home, &listen)
    }

    fn run(lab: &Lab, node: &str, name: &str, home: PathBuf, listen: &str) -> Result<Self> {
        let context = || format!("preparing {}", home.display());
        let conf = home.join("nginx.conf");
        fs::write(&conf, configuration(&home, name, listen)).with_context(context)?;
        let errors = lab.run_dir().join(format!("nginx-{name}.log"));
        let args = [Path::new("-e"), &errors, Path::new("-c"), &conf];
        // One that was killed has left its own.
        let pid = home.join("pid");
        if pid.exists() {
            fs::remove_file(&pid).with_context(context)?;
        }
        let mut process = Process::start(lab.command(node, "nginx", args), &errors)?;
        let listening = || fs::exists(&pid).unwrap_or(false);
        let what = format!("nginx `{name}` to listen");
        wait_until(Duration::from_secs(10), &what, || {
            listening() || !process.is_running()
        })?;
        anyhow::ensure!(
            process.is_running(),
            "nginx `{name}` ended at once (Debian: apt-get install nginx-light):\n{}",
            process.log().trim()
        );
        Ok(Self { process, home })
    }

    /// The file that `/big` sends.
    pub fn big(&self) -> PathBuf {
        self.home.join("big")
    }

    /// Its process: to kill it, stop it or read its log.
    pub fn process(&mut self) -> &mut Process {
        &mut self.process
    }
}

/// Makes the directory of the server `name`.
fn home(lab: &Lab, name: &str) -> Result<PathBuf> {
    let home = lab.run_dir().join(format!("nginx-{name}"));
    fs::create_dir_all(&home).with_context(|| format!("making {}", home.display()))?;
    Ok(home)
}

fn configuration(home: &Path, name: &str, listen: &str) -> String {
    let home = home.display();
    format!(
        r#"
# One process in the foreground: its end is the server's end.
daemon off;
master_process off;
pid {home}/pid;
events {{ worker_connections 16384; }}
http {{
    access_log off;
    default_type text/plain;
    sendfile on;
    keepalive_timeout 1h;
    keepalive_requests 1000000000;
    client_body_temp_path {home}/body;
    proxy_temp_path {home}/proxy;
    fastcgi_temp_path {home}/fastcgi;
    uwsgi_temp_path {home}/uwsgi;
    scgi_temp_path {home}/scgi;
    server {{
        {listen}
        location = / {{ return 200 "{name}\n"; }}
        location = /ends {{ return 200 "$remote_addr $server_addr $server_port\n"; }}
        location = /healthz {{ return 200 "ok"; }}
        location = /big {{ root {home}; }}
    }}
}}
"#
    )
}
