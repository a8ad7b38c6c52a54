//! Results as they are read: never more than twice what a job may have, however much somebody has sent. The smallest
//! things take many times as much memory as they have bytes.

use std::collections::BTreeMap;
use std::fmt;

use serde::Deserializer;
use serde::de::{self, MapAccess, SeqAccess, Visitor};

use crate::{IterationOutput, MAX_FILES, MAX_ITERATIONS};

/// Reads the results of a job: [`MAX_ITERATIONS`] at most, with [`MAX_FILES`] at most.
pub(crate) fn of_job<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Vec<IterationOutput>, D::Error> {
    deserializer.deserialize_seq(OfJob)
}

/// Reads the files of an iteration, [`MAX_FILES`] at most.
pub(crate) fn files<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<BTreeMap<String, String>>, D::Error> {
    deserializer.deserialize_option(Files)
}

fn too_many<E: de::Error>() -> E {
    E::custom(format_args!("more than {MAX_FILES} files"))
}

struct OfJob;

impl<'de> Visitor<'de> for OfJob {
    type Value = Vec<IterationOutput>;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a list of iterations")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Self::Value, A::Error> {
        let most = usize::try_from(MAX_ITERATIONS).unwrap_or(usize::MAX);
        let (mut found, mut files) = (Vec::new(), 0);
        while let Some(iteration) = list.next_element::<IterationOutput>()? {
            if found.len() >= most {
                let reason = format_args!("more than {MAX_ITERATIONS} iterations");
                return Err(de::Error::custom(reason));
            }
            files += iteration.output.as_ref().map_or(0, BTreeMap::len);
            if files > MAX_FILES {
                return Err(too_many());
            }
            found.push(iteration);
        }
        Ok(found)
    }
}

struct Files;

impl<'de> Visitor<'de> for Files {
    type Value = Option<BTreeMap<String, String>>;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("files by their paths")
    }

    fn visit_none<E: de::Error>(self) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_unit<E: de::Error>(self) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_map(self)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut found = BTreeMap::new();
        while let Some((path, content)) = map.next_entry()? {
            if found.len() >= MAX_FILES {
                return Err(too_many());
            }
            found.insert(path, content);
        }
        Ok(Some(found))
    }
}
