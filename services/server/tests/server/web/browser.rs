//! Headless Chromium, by its `DevTools` protocol.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::{Message, WebSocket, client};

/// How long anything may take before a test has failed.
const PATIENCE: Duration = Duration::from_mins(2);

/// A browser with one page. It ends with this value.
#[derive(Debug)]
pub(super) struct Browser {
    child: Child,
    socket: WebSocket<TcpStream>,
    session: Option<String>,
    last: u64,
    /// What it complained about: scripts that failed, what the page's policy forbade.
    pub(super) complaints: Vec<String>,
    _profile: tempfile::TempDir,
}

/// The program, where this machine has it.
pub(super) fn program() -> Option<&'static str> {
    ["chromium", "chromium-browser", "google-chrome"]
        .into_iter()
        .find(|name| {
            let run = Command::new(name).arg("--version").output();
            run.is_ok_and(|output| output.status.success())
        })
}

impl Browser {
    pub(super) fn start(program: &str) -> Self {
        let profile = tempfile::tempdir().unwrap();
        let mut child = Command::new(program)
            .args([
                "--headless=new",
                // It shows nothing but pages of this test; as root it has no sandbox.
                "--no-sandbox",
                "--disable-gpu",
                "--disable-dev-shm-usage",
                "--no-first-run",
                "--remote-debugging-port=0",
            ])
            .arg(format!("--user-data-dir={}", profile.path().display()))
            .env("HOME", profile.path())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let url = lines
            .map_while(Result::ok)
            .find_map(|line| Some(line.strip_prefix("DevTools listening on ")?.to_owned()))
            .expect("it says where it listens");
        let host = url
            .strip_prefix("ws://")
            .unwrap()
            .split('/')
            .next()
            .unwrap();
        let stream = TcpStream::connect(host).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let (socket, _response) = client(url.as_str(), stream).unwrap();
        let mut browser = Self {
            child,
            socket,
            session: None,
            last: 0,
            complaints: Vec::new(),
            _profile: profile,
        };
        let target = browser.call("Target.createTarget", &json!({"url": "about:blank"}));
        let attach = json!({"targetId": target["targetId"], "flatten": true});
        let attached = browser.call("Target.attachToTarget", &attach);
        browser.session = Some(attached["sessionId"].as_str().unwrap().to_owned());
        for domain in ["Page", "Runtime", "Log"] {
            browser.call(&format!("{domain}.enable"), &json!({}));
        }
        browser
    }

    /// The next message that it sends.
    fn receive(&mut self) -> Value {
        loop {
            if let Message::Text(text) = self.socket.read().expect("it answers") {
                let message: Value = serde_json::from_str(&text).unwrap();
                let level = &message["params"]["entry"]["level"];
                if message["method"] == "Runtime.exceptionThrown" || level == "error" {
                    self.complaints.push(message["params"].to_string());
                }
                return message;
            }
        }
    }

    /// Calls a method. What else is said meanwhile is passed over.
    pub(super) fn call(&mut self, method: &str, parameters: &Value) -> Value {
        self.last += 1;
        let mut message = json!({"id": self.last, "method": method, "params": parameters});
        if let Some(session) = &self.session {
            message["sessionId"] = session.as_str().into();
        }
        self.socket
            .send(Message::text(message.to_string()))
            .unwrap();
        loop {
            let answer = self.receive();
            if answer["id"] == self.last {
                assert!(answer["error"].is_null(), "{method}: {}", answer["error"]);
                return answer["result"].clone();
            }
        }
    }

    /// Goes to an address.
    pub(super) fn go(&mut self, url: &str) {
        self.call("Page.navigate", &json!({"url": url}));
        self.wait_for("document.readyState === 'complete'");
    }

    /// Waits until an expression is true, over changes of the page and of pages.
    pub(super) fn wait_for(&mut self, expression: &str) {
        let promise = format!(
            "new Promise((resolve) => {{ const look = () => ({expression}) ? resolve(true) \
             : requestAnimationFrame(look); look(); }})"
        );
        let parameters =
            json!({"expression": promise, "awaitPromise": true, "returnByValue": true});
        loop {
            self.last += 1;
            let message = json!({"id": self.last, "method": "Runtime.evaluate",
                "params": parameters, "sessionId": self.session});
            self.socket
                .send(Message::text(message.to_string()))
                .unwrap();
            let answer = loop {
                let answer = self.receive();
                if answer["id"] == self.last {
                    break answer;
                }
            };
            if answer["result"]["result"]["value"] == true {
                return;
            }
            // The page was left meanwhile: the next one is asked.
            let lost = answer["error"]["message"].as_str().unwrap_or_default();
            assert!(
                lost.contains("navigated") || lost.contains("context"),
                "{expression}: {answer}"
            );
        }
    }

    /// The value of an expression.
    pub(super) fn value(&mut self, expression: &str) -> Value {
        let parameters = json!({"expression": expression, "returnByValue": true});
        let answer = self.call("Runtime.evaluate", &parameters);
        assert!(
            answer["exceptionDetails"].is_null(),
            "{expression}: {answer}"
        );
        answer["result"]["value"].clone()
    }

    /// Writes into what has the focus.
    pub(super) fn write(&mut self, text: &str) {
        self.call("Input.insertText", &json!({"text": text}));
    }

    /// Presses the enter key.
    pub(super) fn enter(&mut self) {
        self.press("Enter", 13, "\r");
    }

    /// Presses the tabulator key.
    pub(super) fn tab(&mut self) {
        self.press("Tab", 9, "\t");
    }

    fn press(&mut self, name: &str, code: u8, text: &str) {
        for kind in ["keyDown", "keyUp"] {
            let key = json!({"type": kind, "key": name, "code": name, "text": text,
                "windowsVirtualKeyCode": code});
            self.call("Input.dispatchKeyEvent", &key);
        }
    }

    /// Makes the page so wide, in pixels, light or dark.
    pub(super) fn show(&mut self, width: u32, scheme: &str) {
        let metrics = json!({"width": width, "height": 800, "deviceScaleFactor": 1,
            "mobile": width < 600});
        self.call("Emulation.setDeviceMetricsOverride", &metrics);
        let features = json!({"features": [{"name": "prefers-color-scheme", "value": scheme}]});
        self.call("Emulation.setEmulatedMedia", &features);
    }

    /// Saves a picture of the page.
    pub(super) fn picture(&mut self, path: &Path) {
        use base64::Engine as _;
        let parameters = json!({"captureBeyondViewport": true});
        let picture = self.call("Page.captureScreenshot", &parameters);
        let data = picture["data"].as_str().unwrap();
        let bytes = base64::engine::general_purpose::STANDARD
            .decode(data)
            .unwrap();
        fs::write(path, bytes).unwrap();
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        // It may have ended already.
        let _ended = self.child.kill();
        let _ended = self.child.wait();
    }
}
