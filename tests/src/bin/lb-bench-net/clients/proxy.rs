//! Proxies, configured as their documentation advises.

use std::{
    fs,
    net::{SocketAddr, TcpStream},
    path::Path,
    time::Duration,
};

use anyhow::{Context as _, Result};
use lb_tests::lab::{Lab, Process, wait_until};

/// HAProxy in TCP mode, between the service addresses and the backends. It has a thread for each CPU by itself.
pub fn haproxy(lab: &Lab) -> Result<Process> {
    let config = "\
defaults
    mode tcp
    timeout connect 5s
    timeout client 1m
    timeout server 1m

listen web
    bind 192.0.2.10:80
    bind 192.0.2.20:80
    balance roundrobin
    server web-1 10.77.1.2:80
    server web-2 10.77.2.2:80
";
    start(lab, "haproxy.cfg", config, "haproxy", &["-db", "-f"])
}

/// nginx's stream module, with a worker for each CPU.
pub fn nginx(lab: &Lab) -> Result<Process> {
    let config = format!(
        "\
load_module {MODULE};
daemon off;
pid {}/stream.pid;
worker_processes auto;
events {{ worker_connections 4096; }}
stream {{
    upstream web {{
        server 10.77.1.2:80;
        server 10.77.2.2:80;
    }}
    server {{
        listen 192.0.2.10:80 reuseport backlog=4096;
        listen 192.0.2.20:80 reuseport backlog=4096;
        proxy_pass web;
    }}
}}
",
        lab.run_dir().display()
    );
    start(
        lab,
        "stream.conf",
        &config,
        "nginx",
        &["-e", "stderr", "-c"],
    )
}

/// Where Debian has it.
const MODULE: &str = "/usr/lib/nginx/modules/ngx_stream_module.so";

/// Starts the program on this configuration and waits until it takes connections.
fn start(lab: &Lab, file: &str, config: &str, program: &str, args: &[&str]) -> Result<Process> {
    let path = lab.run_dir().join(file);
    fs::write(&path, config).with_context(|| format!("writing {}", path.display()))?;
    let args = args.iter().map(Path::new).chain([path.as_path()]);
    let mut process = lab.spawn("lb", program, args)?;
    let what = format!("{program} to listen");
    wait_until(Duration::from_secs(10), &what, || {
        !process.is_running() || listens(lab)
    })?;
    anyhow::ensure!(
        process.is_running(),
        "{program} ended at once:\n{}",
        process.log().trim()
    );
    Ok(process)
}

fn listens(lab: &Lab) -> bool {
    let service = SocketAddr::from(([192, 0, 2, 20], 80));
    lab.in_namespace("lb", || TcpStream::connect(service).is_ok())
        .unwrap_or(false)
}
