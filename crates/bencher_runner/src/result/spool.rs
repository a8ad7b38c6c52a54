//! Iterations on disk, so that a run of any length needs the memory of one.

use std::fs::File;
use std::io::{self, BufRead as _, BufReader, Seek as _, SeekFrom, Write as _};

use serde::ser::{Error as _, SerializeSeq as _};
use serde::{Serialize, Serializer};
use serde_json::value::RawValue;

use super::Iteration;

/// Iterations as lines of JSON in a file without a name.
#[derive(Debug)]
pub struct IterationSpool {
    file: File,
    /// Bytes of whole lines.
    length: u64,
}

impl IterationSpool {
    /// An empty spool in the folder for temporary files.
    ///
    /// # Errors
    ///
    /// When that folder can not be written.
    pub fn new() -> io::Result<Self> {
        Ok(Self {
            file: tempfile::tempfile()?,
            length: 0,
        })
    }

    /// Appends `iteration`. Where that fails those before it are kept.
    ///
    /// # Errors
    ///
    /// When the disk is full.
    pub fn push(&mut self, iteration: &Iteration) -> io::Result<()> {
        let mut line = serde_json::to_vec(iteration)?;
        line.push(b'\n');
        if let Err(error) = self.file.write_all(&line) {
            // Half a line would spoil the document.
            self.file.set_len(self.length)?;
            self.file.seek(SeekFrom::Start(self.length))?;
            return Err(error);
        }
        self.length += line.len() as u64;
        Ok(())
    }
}

impl IterationSpool {
    /// The iterations, without what their commands wrote.
    ///
    /// # Errors
    ///
    /// When the disk can not be read.
    pub fn read(&self) -> io::Result<Vec<Iteration>> {
        let lines = self.lines()?;
        let read = |line: io::Result<String>| -> io::Result<Iteration> {
            let mut iteration: Iteration = serde_json::from_str(&line?)?;
            iteration.drop_contents();
            Ok(iteration)
        };
        lines.map(read).collect()
    }

    /// The iterations as JSON, each as it was pushed.
    fn lines(&self) -> io::Result<impl Iterator<Item = io::Result<String>>> {
        let mut file = &self.file;
        file.seek(SeekFrom::Start(0))?;
        Ok(BufReader::new(file).lines())
    }
}

impl Serialize for IterationSpool {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let lines = self.lines().map_err(S::Error::custom)?;
        let mut sequence = serializer.serialize_seq(None)?;
        for line in lines {
            let line = RawValue::from_string(line.map_err(S::Error::custom)?);
            sequence.serialize_element(&line.map_err(S::Error::custom)?)?;
        }
        sequence.end()
    }
}
