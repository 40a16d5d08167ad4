//! Probes of real servers on this host.

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpSocket, TcpStream};

use super::http::{authority, codes};
use super::*;

const SOON: Duration = Duration::from_millis(300);

fn http(address: SocketAddr) -> Target {
    let kind = ProbeKind::Http {
        path: "/healthz".into(),
        host: None,
        status: vec![200..=399],
    };
    // Far more than a local server needs, for the machine may be busy.
    Target {
        address,
        kind,
        timeout: Duration::from_secs(20),
    }
}

fn tcp(address: SocketAddr) -> Target {
    Target {
        kind: ProbeKind::Tcp,
        ..http(address)
    }
}

/// A server that answers one request with `answer`, and gives the request.
async fn server(answer: &'static [u8]) -> (SocketAddr, tokio::task::JoinHandle<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let serve = async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut request = Vec::new();
        while !request.ends_with(b"\r\n\r\n") {
            request.push(stream.read_u8().await.unwrap());
        }
        stream.write_all(answer).await.unwrap();
        String::from_utf8(request).unwrap()
    };
    (address, tokio::spawn(serve))
}

/// What the probe says of that server, its address and reasons of other crates left out.
async fn said(answer: &'static [u8]) -> String {
    let (address, _) = server(answer).await;
    let text = match run(&http(address)).await {
        Ok(evidence) => evidence.to_string(),
        Err(failure) => failure.to_string(),
    };
    text.replace(&address.to_string(), "BACKEND")
}

/// An address where nobody listens.
async fn nobody() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    listener.local_addr().unwrap()
}

#[tokio::test]
async fn the_request_is_what_servers_expect() {
    let (address, request) = server(b"HTTP/1.1 204 No Content\r\n\r\n").await;
    let ProbeKind::Http { path, status, .. } = http(address).kind else {
        unreachable!()
    };
    let kind = ProbeKind::Http {
        path,
        host: Some("www.example.org".into()),
        status,
    };
    let result = run(&Target {
        kind,
        ..http(address)
    })
    .await;
    assert_eq!(outcome(&result), Some(Outcome::Pass));
    assert_eq!(
        request.await.unwrap(),
        "GET /healthz HTTP/1.1\r\nhost: www.example.org\r\nconnection: close\r\nuser-agent: lb-probe\r\n\r\n"
    );
}

#[tokio::test]
async fn an_answer_is_judged_by_its_status() {
    let ok = b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nnot whole";
    assert_eq!(said(ok).await, "http 200 from BACKEND/healthz");
    let unavailable = b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n";
    assert_eq!(
        said(unavailable).await,
        "http 503 from BACKEND/healthz, expected 200-399"
    );
    let old = b"HTTP/1.0 302 Found\r\n\r\n";
    assert_eq!(said(old).await, "http 302 from BACKEND/healthz");
}

#[tokio::test]
async fn what_is_not_an_answer_is_said_so() {
    let garbage = b"SSH-2.0-OpenSSH_9.2\r\n\r\n";
    let said_of_garbage = said(garbage).await;
    assert!(
        said_of_garbage.starts_with("BACKEND answered, but not in http: "),
        "{said_of_garbage}"
    );
    assert_eq!(
        said(b"").await,
        "BACKEND closed the connection, expected an http answer"
    );
    assert_eq!(
        said(b"HTTP/1.1 200 OK\r\nContent-").await,
        "BACKEND closed the connection, expected an http answer"
    );
}

#[tokio::test]
async fn nobody_at_the_port_is_a_refusal() {
    let address = nobody().await;
    for target in [tcp(address), http(address)] {
        let result = run(&target).await;
        assert_eq!(outcome(&result), Some(Outcome::Fail));
        assert_eq!(
            result.unwrap_err().to_string(),
            format!("tcp connection to {address} refused")
        );
    }
}

#[tokio::test]
async fn a_connection_that_opens_is_enough_for_tcp() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let evidence = run(&tcp(address)).await.unwrap();
    assert_eq!(
        evidence.to_string(),
        format!("tcp connection to {address} opened")
    );
    // Closed in order: the server reads an end, not a reset.
    let (mut stream, _) = listener.accept().await.unwrap();
    assert_eq!(stream.read(&mut [0]).await.unwrap(), 0);
}

#[tokio::test]
async fn a_server_that_accepts_and_never_answers_is_silent() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let failure = run(&Target {
        timeout: SOON,
        ..http(address)
    })
    .await
    .unwrap_err();
    assert_eq!(
        failure.to_string(),
        format!("no answer from {address} within 300 ms (http answer)")
    );
}

#[tokio::test]
async fn a_server_that_never_accepts_is_silent() {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let address = socket.local_addr().unwrap();
    // Linux drops a SYN while the queue is full, and a queue of 0 is full with one.
    let _listener = socket.listen(0).unwrap();
    let _waiting = TcpStream::connect(address).await.unwrap();
    let failure = run(&Target {
        timeout: SOON,
        ..tcp(address)
    })
    .await
    .unwrap_err();
    assert_eq!(
        failure.to_string(),
        format!("no answer from {address} within 300 ms (tcp connect)")
    );
}

#[tokio::test]
async fn a_flood_of_headers_is_cut_off() {
    let flood: &'static [u8] = [b"HTTP/1.1 200 OK\r\nX: ".as_slice(), &[b'x'; 1 << 20]]
        .concat()
        .leak();
    let (address, _) = server(flood).await;
    let failure = run(&http(address)).await.unwrap_err();
    assert!(matches!(failure, Failure::NotHttp { .. }), "{failure}");
}

#[test]
fn want_of_resources_here_is_no_evidence() {
    let target = tcp("10.0.1.12:80".parse().unwrap());
    let failure = target.broken(&io::Error::from_raw_os_error(24));
    assert_eq!(
        failure.to_string(),
        "10.0.1.12:80 was not probed, for this host could not: Too many open files (os error 24)"
    );
    assert_eq!(outcome(&Err(failure)), None);
    let failure = target.broken(&io::Error::from_raw_os_error(113));
    assert_eq!(
        failure.to_string(),
        "tcp connection to 10.0.1.12:80 failed: No route to host (os error 113)"
    );
    assert_eq!(outcome(&Err(failure)), Some(Outcome::Fail));
}

#[test]
fn small_texts() {
    assert_eq!(codes(&[200..=299, 401..=401]), "200-299, 401");
    assert_eq!(authority("10.0.1.12:80".parse().unwrap()), "10.0.1.12");
    assert_eq!(
        authority("[2001:db8::12]:80".parse().unwrap()),
        "[2001:db8::12]"
    );
    assert_eq!(
        authority("[2001:db8::12]:8080".parse().unwrap()),
        "[2001:db8::12]:8080"
    );
}
