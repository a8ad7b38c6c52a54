//! What can happen, as far as it can.

use bencher_channel_protocol::runner::{Ending, Failure, Fault, Input, Letter, UpdateFailure};
use bencher_channel_protocol::{DecodeError, IterationOutput, OutputStream, ServerMessage, Uuid};

use super::{Event, Unanswered, World};
use crate::course::{OTHER, job, uuid};

impl World {
    /// The input that an event is, if it can happen now.
    pub(crate) fn input(&mut self, event: &Event) -> Option<Input> {
        let message = |message| Some(Input::Received(Ok(message)));
        match event {
            Event::Connect if self.is_connecting => {
                self.is_connecting = false;
                self.is_connected = true;
                // What was not taken twice may be held back.
                let is_held = |job: &Uuid| {
                    let failures = self.failures.get(job);
                    failures.is_some_and(|count| *count > 1) || self.disk.unread.contains(job)
                };
                let jobs = self.ends.keys().copied();
                self.owed = jobs.filter(|job| !is_held(job)).collect();
                Some(Input::Connected)
            }
            Event::Lose(ending) if self.is_connected => {
                self.hang_up();
                self.is_replaced = matches!(ending, Ending::Closed { code: 1008, .. });
                Some(Input::Disconnected(ending.clone()))
            }
            Event::Lose(_) if self.is_connecting => {
                self.is_connecting = false;
                Some(Input::Disconnected(Ending::Unreachable(
                    "no route".to_owned(),
                )))
            }
            _ if self.is_connected => match event {
                Event::Answer { cancels, names } => {
                    if self.unanswered.is_empty() {
                        return None;
                    }
                    match self.unanswered.remove(0) {
                        Unanswered::Alive if *cancels => {
                            self.cancel();
                            message(ServerMessage::Cancel)
                        }
                        Unanswered::Alive => message(ServerMessage::Ack { job: None }),
                        Unanswered::Terminal(job) => message(ServerMessage::Ack {
                            job: names.then_some(job),
                        }),
                    }
                }
                Event::Job(number) => message(ServerMessage::Job(job(*number))),
                Event::BadJob(number) => Some(Input::Received(Err(DecodeError::Job {
                    job: uuid(*number),
                    source: Box::new(ServerMessage::decode("").unwrap_err()),
                }))),
                Event::NoJob => message(ServerMessage::NoJob),
                Event::Cancel => {
                    self.cancel();
                    // The server says it unasked: that is no answer, so it takes one that is due.
                    if self.unanswered.first() == Some(&Unanswered::Alive) {
                        self.unanswered.remove(0);
                    }
                    message(ServerMessage::Cancel)
                }
                Event::Update(checksum) => Some(Input::Received(ServerMessage::decode(&format!(
                    r#"{{"event":"update","version":"2","url":"u","checksum":"{checksum}"}}"#
                )))),
                Event::Malformed => Some(Input::Received(ServerMessage::decode("{}"))),
                other => self.local(other),
            },
            other => self.local(other),
        }
    }

    fn cancel(&mut self) {
        if self.process.is_some() {
            self.is_canceled = true;
        }
    }

    /// What does not come from the server.
    fn local(&mut self, event: &Event) -> Option<Input> {
        match event {
            Event::Fire(timer) if self.armed.remove(timer) => Some(Input::Fired(*timer)),
            Event::SetUp if self.process.is_some() => Some(Input::SetUp),
            Event::Output if self.process.is_some() => Some(Input::Output {
                iteration: 0,
                stream: OutputStream::Stderr,
                text: "x".to_owned(),
            }),
            Event::End { fails } => {
                let (_, dies) = self.process.take()?;
                // What a job says of the host that is being killed is nothing.
                self.is_host_doubted |= *fails == Some(Fault::Host) && !dies;
                Some(Input::Ended {
                    results: vec![IterationOutput::default()],
                    evidence: None,
                    failure: fails.map(|fault| Failure {
                        error: "it failed".to_owned(),
                        fault,
                    }),
                })
            }
            Event::Stop => {
                self.stops += 1;
                Some(Input::Stop)
            }
            Event::Updated if self.is_updating => Some(Input::Updated),
            Event::NotUpdated {
                is_final,
                left,
                delivers,
            } if self.is_updating => {
                if *delivers {
                    self.disk.take_oldest();
                }
                let left = left.map(uuid).filter(|job| !self.ends.contains_key(job));
                let outbox = left.map(|job| Letter::abandoned(job, 1 << 20));
                if let Some(letter) = &outbox {
                    self.ends.insert(letter.job(), "failed");
                    self.disk.put(letter);
                }
                self.ends.retain(|job, _| self.disk.has(*job));
                self.is_updating = self.stops > 0;
                Some(Input::UpdateFailed(UpdateFailure {
                    checksum: OTHER.parse().unwrap(),
                    error: "bad".to_owned(),
                    is_final: *is_final,
                    outbox: Some(self.disk.jobs()),
                }))
            }
            Event::Disk(health) => {
                self.disk.health = *health;
                None
            }
            Event::HostAnswers { is_fit } if self.is_host_looked_at => {
                self.is_host_looked_at = false;
                self.is_host_doubted = !is_fit;
                let found = is_fit.then_some(()).ok_or_else(|| "no KVM".to_owned());
                Some(Input::Host(found))
            }
            Event::DiskAnswers => self.answer(),
            Event::Removed(number) => {
                self.disk.lose(uuid(*number));
                None
            }
            _ => None,
        }
    }
}
