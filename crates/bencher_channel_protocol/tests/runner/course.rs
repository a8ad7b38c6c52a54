//! What a machine does, as short texts.

use bencher_channel_protocol::runner::{
    Effect, Ending, Exit, Failure, Fault, Input, Letter, Level, Machine, NotLoaded, Settings,
    Timer, UpdateFailure,
};
use bencher_channel_protocol::{
    Architecture, DecodeError, Evidence, IterationOutput, Job, Os, PollTimeout, RunnerInfo,
    RunnerMessage, ServerMessage, Terminal, Uuid,
};
use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

pub(crate) const CHECKSUM: &str =
    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
pub(crate) const OTHER: &str = "a3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

pub(crate) fn settings() -> Settings {
    Settings {
        server: "https://bench.example.com".to_owned(),
        runner: "bench-1".to_owned(),
        poll_timeout: PollTimeout::new(30).unwrap(),
        info: Some(RunnerInfo {
            os: Os::Linux,
            arch: Architecture::X86_64,
            version: "0.1.0".to_owned(),
            channel: None,
            checksum: Some(CHECKSUM.parse().unwrap()),
            live_output: true,
        }),
        drain_timeout: Duration::from_mins(1),
        message_limit: 1 << 20,
        rejected: Vec::new(),
        failed_updates: 0,
        is_trial: false,
    }
}

/// Jobs are told apart by one digit.
pub(crate) fn uuid(number: u8) -> Uuid {
    Uuid::from_u128(number.into())
}

pub(crate) fn job(number: u8) -> Box<Job> {
    let text = format!(
        r#"{{"event":"job","uuid":"{}","spec":{{"uuid":"{0}","name":"s","slug":"s","os":"linux","architecture":"x86_64","sandbox":null,"cpu":1,"memory":1,"disk":1,"network":false,"created":"","modified":""}},"config":{{"registry":"r","project":"{0}","digest":"sha256:{CHECKSUM}"}},"oci_token":"t","timeout":100,"created":"","live_output":true}}"#,
        uuid(number)
    );
    match ServerMessage::decode(&text).unwrap() {
        ServerMessage::Job(job) => job,
        other => panic!("{other:?}"),
    }
}

pub(crate) fn completed(number: u8) -> Terminal {
    Terminal::Completed {
        job: uuid(number),
        results: vec![IterationOutput::default()],
        evidence: None,
    }
}

/// What comes with the end of each job.
pub(crate) fn evidence() -> Evidence {
    Evidence::new(r#"{"version":1}"#.to_owned()).unwrap()
}

/// A letter as it comes back after a restart.
pub(crate) fn left(number: u8, needs_running: bool) -> Letter {
    let message = RunnerMessage::from(completed(number)).encode();
    let kept = serde_json::json!({"needs_running": needs_running, "message": message});
    Letter::from_file(&kept.to_string(), 1 << 20).unwrap()
}

/// Drives a machine with short texts, and shows what it does as such.
pub(crate) struct Course {
    pub(crate) machine: Machine,
    /// Everything that was said since the last look.
    pub(crate) said: Vec<(Level, String)>,
    /// The last message that was delivered.
    pub(crate) delivered: String,
    /// Whether nothing comes so soon that the server's pace matters: then nothing of it is shown.
    pub(crate) is_slow: bool,
    /// Whether the disk does what it is told, at once: then nothing of it is shown but what is written and
    /// removed.
    pub(crate) has_disk: bool,
    /// What is on that disk.
    pub(crate) disk: BTreeMap<Uuid, Letter>,
}

fn timer(timer: Timer) -> &'static str {
    match timer {
        Timer::Heartbeat => "heartbeat",
        Timer::Idle => "idle",
        Timer::Acknowledge => "acknowledge",
        Timer::Silence => "silence",
        Timer::Deadline => "deadline",
        Timer::Drain => "drain",
        Timer::Standing => "standing",
        Timer::Pace => "pace",
        Timer::Retry => "retry",
        Timer::Room => "room",
        Timer::Host => "host",
        Timer::Offers => "offers",
    }
}

fn number(job: Uuid) -> u128 {
    job.as_u128()
}

impl Course {
    pub(crate) fn new() -> Self {
        Self::with(settings(), Vec::new())
    }

    /// A course whose machine is about to connect.
    pub(crate) fn with(settings: Settings, outbox: Vec<Letter>) -> Self {
        let jobs = outbox.iter().map(Letter::job).collect();
        let (machine, effects) = Machine::new(settings, jobs);
        let mut course = Self {
            machine,
            said: Vec::new(),
            delivered: String::new(),
            is_slow: true,
            has_disk: true,
            disk: outbox
                .into_iter()
                .map(|letter| (letter.job(), letter))
                .collect(),
        };
        assert_eq!(course.show(effects), "connect 0+0");
        course
    }

    /// A course that is connected and idle.
    pub(crate) fn idle() -> Self {
        let mut course = Self::new();
        course.is("connected", "ready 30, idle 40");
        course
    }

    /// A course whose job 1 was claimed; nothing is acknowledged.
    pub(crate) fn claimed() -> Self {
        let mut course = Self::idle();
        course.is(
            "job 1",
            "reached, -idle, start 1, deadline 3600, >heartbeat, heartbeat 1, silence 15",
        );
        course
    }

    /// A course whose job 1 runs; everything is acknowledged.
    pub(crate) fn running() -> Self {
        let mut course = Self::claimed();
        course.is("set-up", "deadline 130, >running");
        course.is("ack", "silence 15");
        course.is("ack", "silence 15");
        course
    }

    pub(crate) fn input(&mut self, text: &str) -> Vec<Effect> {
        let (word, rest) = text.split_once(' ').unwrap_or((text, ""));
        let job_number = || rest.parse::<u8>().unwrap();
        let message = |message| Input::Received(Ok(message));
        let input = match word {
            "connected" => Input::Connected,
            "eof" => Input::Disconnected(Ending::EndOfFile),
            "reset" => Input::Disconnected(Ending::Reset("reset by peer".to_owned())),
            "unreachable" => Input::Disconnected(Ending::Unreachable("no route".to_owned())),
            "foreign" => Input::Disconnected(Ending::Foreign(rest.to_owned())),
            "status" => Input::Disconnected(Ending::Refused {
                status: rest.parse().unwrap(),
            }),
            "closed" => {
                let (code, reason) = rest.split_once(' ').unwrap();
                Input::Disconnected(Ending::Closed {
                    code: code.parse().unwrap(),
                    reason: reason.to_owned(),
                })
            }
            "ack" => message(ServerMessage::Ack {
                job: (!rest.is_empty()).then(|| uuid(job_number())),
            }),
            "job" => message(ServerMessage::Job(job(job_number()))),
            "no_job" => message(ServerMessage::NoJob),
            "cancel" => message(ServerMessage::Cancel),
            "update" => Input::Received(ServerMessage::decode(&format!(
                r#"{{"event":"update","version":"9","url":"u","checksum":"{rest}"}}"#
            ))),
            "text" => Input::Received(ServerMessage::decode(rest)),
            "bad-job" => Input::Received(Err(DecodeError::Job {
                job: uuid(job_number()),
                source: Box::new(ServerMessage::decode("{}").unwrap_err()),
            })),
            "fired" => {
                let mut timers = Timer::ALL.into_iter();
                Input::Fired(timers.find(|it| timer(*it) == rest).unwrap())
            }
            "set-up" => Input::SetUp,
            "output" => Input::Output {
                iteration: 0,
                stream: bencher_channel_protocol::OutputStream::Stdout,
                text: rest.to_owned(),
            },
            "ended" => Input::Ended {
                results: vec![IterationOutput::default()],
                evidence: Some(evidence()),
                failure: None,
            },
            "failed" | "host-failed" => Input::Ended {
                results: Vec::new(),
                evidence: None,
                failure: Some(Failure {
                    error: rest.to_owned(),
                    fault: match word {
                        "failed" => Fault::Job,
                        _ => Fault::Host,
                    },
                }),
            },
            "stop" => Input::Stop,
            "updated" => Input::Updated,
            "not-updated" | "unfit" => Input::UpdateFailed(UpdateFailure {
                checksum: rest.parse().unwrap(),
                error: "bad".to_owned(),
                is_final: word == "unfit",
                outbox: Some(self.disk.keys().copied().collect()),
            }),
            "not-persisted" => Input::NotPersisted {
                letter: self.disk.remove(&uuid(job_number())).unwrap(),
                error: "full".to_owned(),
            },
            "loaded" => Input::Loaded(self.disk[&uuid(job_number())].clone()),
            "lost" => Input::NotLoaded {
                job: uuid(job_number()),
                problem: NotLoaded::Lost("it is gone".to_owned()),
            },
            "unreadable" => Input::NotLoaded {
                job: uuid(job_number()),
                problem: NotLoaded::Unreadable("it is ill".to_owned()),
            },
            "room" => Input::Room(Ok(())),
            "fit" => Input::Host(Ok(())),
            "unfit-host" => Input::Host(Err(rest.to_owned())),
            "no-room" => Input::Room(Err("full".to_owned())),
            other => panic!("no such input: {other}"),
        };
        let mut effects = self.take(input);
        if self.is_slow {
            effects.extend(self.take(Input::Fired(Timer::Pace)));
        }
        effects
    }

    /// What an input leads to, with what the disk does.
    pub(crate) fn take(&mut self, input: Input) -> Vec<Effect> {
        let mut all = Vec::new();
        let mut inputs = VecDeque::from([input]);
        while let Some(input) = inputs.pop_front() {
            for effect in self.machine.handle(input) {
                match self.answer(&effect) {
                    Some(answer) => inputs.push_back(answer),
                    None => all.push(effect),
                }
            }
        }
        all
    }

    fn answer(&mut self, effect: &Effect) -> Option<Input> {
        match effect {
            Effect::Persist(letter) => {
                self.disk.insert(letter.job(), letter.clone());
                None
            }
            Effect::Forget(job) => {
                self.disk.remove(job);
                None
            }
            Effect::Load(job) if self.has_disk => Some(Input::Loaded(self.disk[job].clone())),
            Effect::MakeRoom if self.has_disk => Some(Input::Room(Ok(()))),
            _ => None,
        }
    }

    /// Takes an input; what it says is collected.
    pub(crate) fn goes(&mut self, input: &str) {
        let effects = self.input(input);
        self.show(effects);
    }

    /// Takes an input, and must do exactly this; what it says is collected.
    #[track_caller]
    pub(crate) fn is(&mut self, input: &str, expected: &str) {
        let effects = self.input(input);
        let shown = self.show(effects);
        assert_eq!(shown, expected, "after {input}");
    }

    /// Whether something that was said since the last look holds this text.
    #[track_caller]
    pub(crate) fn has_warned(&mut self, text: &str) {
        let said = std::mem::take(&mut self.said);
        let is_it = |(level, it): &(Level, String)| *level == Level::Warning && it.contains(text);
        assert!(said.iter().any(is_it), "no warning {text:?} in {said:?}");
    }

    /// What was said since the last look to be a step.
    pub(crate) fn steps(&mut self) -> Vec<String> {
        let said = std::mem::take(&mut self.said).into_iter();
        said.filter(|(level, _)| *level == Level::Info)
            .map(|(_, text)| text)
            .collect()
    }

    pub(crate) fn show(&mut self, effects: Vec<Effect>) -> String {
        let mut shown = Vec::new();
        for effect in effects {
            shown.push(match effect {
                Effect::Connect { after, spread } => {
                    format!("connect {}+{}", after.as_millis(), spread.as_millis())
                }
                Effect::Disconnect => "disconnect".to_owned(),
                Effect::Send(RunnerMessage::Ready(ready)) => {
                    let plain = if ready.runner.is_some() { "" } else { " alone" };
                    format!("ready {}{plain}", ready.poll_timeout.unwrap())
                }
                Effect::Send(message) => format!(">{}", message.event()),
                Effect::Deliver { job, text } => {
                    let message = RunnerMessage::decode(&text).unwrap();
                    self.delivered = text;
                    format!(">{} {}", message.event(), number(job))
                }
                Effect::Start(job) => format!("start {}", number(job.uuid)),
                Effect::Kill => "kill".to_owned(),
                Effect::Arm { timer: it, .. } | Effect::Disarm(it)
                    if it == Timer::Pace && self.is_slow =>
                {
                    continue;
                }
                // It is for each connection, and only leads to a text.
                Effect::Arm {
                    timer: Timer::Standing,
                    ..
                }
                | Effect::Disarm(Timer::Standing) => continue,
                Effect::Arm { timer: it, after } => format!("{} {}", timer(it), after.as_secs()),
                Effect::Disarm(it) => format!("-{}", timer(it)),
                Effect::Persist(letter) => format!("persist {}", number(letter.job())),
                Effect::Load(job) => format!("load {}", number(job)),
                Effect::MakeRoom => "make room".to_owned(),
                Effect::LookAtHost => "look".to_owned(),
                Effect::Forget(job) => format!("forget {}", number(job)),
                Effect::Update(_) => "update".to_owned(),
                Effect::EndUpdate => "end update".to_owned(),
                Effect::Become => "become".to_owned(),
                Effect::Reached => "reached".to_owned(),
                Effect::Say { level, text } => {
                    self.said.push((level, text));
                    continue;
                }
                Effect::Exit(Exit::Refused(text)) => {
                    self.said.push((Level::Warning, text));
                    "exit refused".to_owned()
                }
                Effect::Exit(exit) => format!("exit {exit:?}").to_lowercase(),
            });
        }
        shown.join(", ")
    }
}
