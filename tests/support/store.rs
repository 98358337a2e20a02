//! A real S3 server for tests (moto, from PyPI), and a proxy before it that fails as networks and stores do.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

/// The bucket of the tests.
pub const BUCKET: &str = "texts";

/// The server, for as long as this lives.
pub struct S3 {
    server: Child,
    port: u16,
}

impl S3 {
    /// Starts it, with a bucket; none where it is not installed, and says so.
    pub fn start() -> Option<S3> {
        let Some(program) = std::env::var_os("QUANCI_MOTO").map(PathBuf::from).filter(|path| path.exists())
        else {
            println!("skipped: no S3 server; tests/run.sh installs one, or set QUANCI_MOTO to a moto_server");
            return None;
        };
        let port = free_port();
        let mut command = Command::new(program);
        command
            .args(["-H", "127.0.0.1", "-p", &port.to_string()])
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        let server = S3 { server: command.spawn().unwrap(), port };
        for _ in 0..600 {
            if TcpStream::connect(("127.0.0.1", port)).is_ok() {
                server.request("PUT", &format!("/{BUCKET}"), b"");
                return Some(server);
            }
            thread::sleep(Duration::from_millis(100));
        }
        panic!("the S3 server does not answer");
    }

    /// Its port.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Makes `command` use the server, or a proxy before it at `port`.
    pub fn serve(command: &mut Command, port: u16) -> &mut Command {
        let endpoint = format!("http://127.0.0.1:{port}");
        let variables = [
            ("AWS_ENDPOINT", endpoint.as_str()),
            ("AWS_ALLOW_HTTP", "true"),
            ("AWS_ACCESS_KEY_ID", "key"),
            ("AWS_SECRET_ACCESS_KEY", "secret"),
            ("AWS_REGION", "us-east-1"),
            ("AWS_READ_TIMEOUT", "2 seconds"),
        ];
        command.envs(variables)
    }

    /// Stores an object.
    pub fn put(&self, key: &str, bytes: &[u8]) {
        let (status, _) = self.request("PUT", &format!("/{BUCKET}/{key}"), bytes);
        assert_eq!(status, 200, "{key}");
    }

    /// An object's bytes.
    pub fn get(&self, key: &str) -> Vec<u8> {
        let (status, bytes) = self.request("GET", &format!("/{BUCKET}/{key}"), b"");
        assert_eq!(status, 200, "{key}");
        bytes
    }

    /// Removes an object.
    pub fn delete(&self, key: &str) {
        self.request("DELETE", &format!("/{BUCKET}/{key}"), b"");
    }

    /// The keys that begin with `prefix`.
    pub fn keys(&self, prefix: &str) -> Vec<String> {
        let (_, xml) = self.request("GET", &format!("/{BUCKET}?list-type=2&prefix={prefix}"), b"");
        let xml = String::from_utf8(xml).unwrap();
        let keys = xml.split("<Key>").skip(1).map(|rest| rest.split("</Key>").next().unwrap().to_owned());
        keys.collect()
    }

    /// SHA-256 of all objects below a prefix, by the rest of their keys.
    pub fn hashes(&self, prefix: &str) -> BTreeMap<String, String> {
        let sum =
            |key: String| (key[prefix.len()..].to_owned(), quanci_shards::manifest::sha256(&self.get(&key)));
        self.keys(prefix).into_iter().map(sum).collect()
    }

    fn request(&self, method: &str, path: &str, body: &[u8]) -> (u16, Vec<u8>) {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).unwrap();
        let length = body.len();
        // moto looks at who asks, not at the signature.
        let who = "AWS4-HMAC-SHA256 Credential=key/20260101/us-east-1/s3/aws4_request, SignedHeaders=host, Signature=0";
        let head = format!(
            "{method} {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: {who}\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n"
        );
        stream.write_all(head.as_bytes()).unwrap();
        stream.write_all(body).unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).unwrap();
        let end = find(&answer, b"\r\n\r\n").unwrap();
        let status = String::from_utf8_lossy(&answer[9..12]).parse().unwrap();
        (status, answer[end + 4..].to_vec())
    }
}

impl Drop for S3 {
    fn drop(&mut self) {
        self.server.kill().ok();
        self.server.wait().ok();
    }
}

/// A port that nobody listens to.
pub fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// What goes wrong with a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fault {
    /// 500.
    ServerError,
    /// 503, as a store says that it is asked too much.
    SlowDown,
    /// Half of the answer, and the connection is gone.
    CutAnswer,
    /// The request is never read to its end.
    CutRequest,
    /// Half of the answer, and nothing more.
    Stall,
    /// It is done, and nobody is told.
    LostAnswer,
    /// 403 for whatever writes.
    NoPermission,
}

/// The faults that pass.
const PASSING: [Fault; 6] = [
    Fault::ServerError,
    Fault::SlowDown,
    Fault::CutAnswer,
    Fault::CutRequest,
    Fault::Stall,
    Fault::LostAnswer,
];

/// Which request goes wrong, and how: the number of the request and its method are known.
type FaultPlan = Box<dyn Fn(u32, &str) -> Option<Fault> + Send + Sync>;

/// A proxy that lets some requests fail.
pub struct Proxy {
    port: u16,
    counts: Arc<Mutex<BTreeMap<Fault, u32>>>,
}

impl Proxy {
    /// Every so many-th request fails, in every way by turns.
    pub fn every(n: u32, server: &S3) -> Proxy {
        let fault = move |request: u32, _: &str| {
            request.is_multiple_of(n).then(|| PASSING[(request / n) as usize % PASSING.len()])
        };
        Proxy::start(server.port, Box::new(fault))
    }

    /// Nothing may be written.
    pub fn read_only(server: &S3) -> Proxy {
        let fault =
            |_: u32, method: &str| matches!(method, "PUT" | "POST" | "DELETE").then_some(Fault::NoPermission);
        Proxy::start(server.port, Box::new(fault))
    }

    fn start(server: u16, plan: FaultPlan) -> Proxy {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let counts: Arc<Mutex<BTreeMap<Fault, u32>>> = Arc::default();
        let shared = Arc::new((plan, counts.clone(), AtomicU32::new(1)));
        // It ends with the tests' process.
        thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let shared = shared.clone();
                thread::spawn(move || {
                    let (plan, counts, requests) = &*shared;
                    // A client that is gone is no failure of the proxy.
                    answer(client, server, plan, counts, requests).ok();
                });
            }
        });
        Proxy { port, counts }
    }

    /// Its port.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// How often each fault happened.
    pub fn counts(&self) -> BTreeMap<Fault, u32> {
        self.counts.lock().unwrap().clone()
    }
}

/// One request for each connection.
fn answer(
    mut client: TcpStream,
    server: u16,
    plan: &FaultPlan,
    counts: &Mutex<BTreeMap<Fault, u32>>,
    requests: &AtomicU32,
) -> std::io::Result<()> {
    let mut request = Vec::new();
    let head = loop {
        if let Some(end) = find(&request, b"\r\n\r\n") {
            break end + 4;
        }
        if more(&mut client, &mut request)? == 0 {
            return Ok(());
        }
    };
    let text = String::from_utf8_lossy(&request[..head]).into_owned();
    let method = text.split(' ').next().unwrap_or_default();
    let fault = plan(requests.fetch_add(1, Ordering::Relaxed), method);
    if let Some(fault) = fault {
        *counts.lock().unwrap().entry(fault).or_default() += 1;
    }
    if fault == Some(Fault::CutRequest) {
        return Ok(());
    }
    let header = |name: &str| {
        let line = text.lines().find(|line| line.to_ascii_lowercase().starts_with(name))?;
        line.split(": ").nth(1).map(str::to_owned)
    };
    let length: usize = header("content-length").map_or(0, |length| length.parse().unwrap());
    while request.len() < head + length {
        more(&mut client, &mut request)?;
    }
    let refused = |status: &str, code: &str| {
        let xml =
            format!("<?xml version=\"1.0\"?><Error><Code>{code}</Code><Message>{code}</Message></Error>");
        let length = xml.len();
        format!(
            "HTTP/1.1 {status}\r\nContent-Type: application/xml\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{xml}"
        )
    };
    match fault {
        Some(Fault::ServerError) => {
            return client.write_all(refused("500 Error", "InternalError").as_bytes());
        }
        Some(Fault::SlowDown) => return client.write_all(refused("503 Slow Down", "SlowDown").as_bytes()),
        Some(Fault::NoPermission) => {
            return client.write_all(refused("403 Forbidden", "AccessDenied").as_bytes());
        }
        _ => {}
    }
    let mut upstream = TcpStream::connect(("127.0.0.1", server))?;
    let lines = text.trim_end().lines().filter(|line| !line.to_ascii_lowercase().starts_with("connection:"));
    let head_text = lines.collect::<Vec<_>>().join("\r\n");
    upstream.write_all(format!("{head_text}\r\nConnection: close\r\n\r\n").as_bytes())?;
    upstream.write_all(&request[head..head + length])?;
    let mut reply = Vec::new();
    upstream.read_to_end(&mut reply)?;
    match fault {
        Some(Fault::LostAnswer) => Ok(()),
        Some(Fault::CutAnswer) => client.write_all(&reply[..reply.len() - reply.len() / 3]),
        Some(Fault::Stall) => {
            client.write_all(&reply[..reply.len() - reply.len() / 3])?;
            thread::sleep(Duration::from_secs(10));
            Ok(())
        }
        _ => client.write_all(&reply),
    }
}

fn more(stream: &mut TcpStream, into: &mut Vec<u8>) -> std::io::Result<usize> {
    let mut buffer = [0; 64 << 10];
    let n = stream.read(&mut buffer)?;
    into.extend_from_slice(&buffer[..n]);
    Ok(n)
}

fn find(bytes: &[u8], part: &[u8]) -> Option<usize> {
    bytes.windows(part.len()).position(|window| window == part)
}
