//! The jobs of a comparison.

use bencher_server_api::{Comparison, Job};

use crate::client::{ClientError, Connection, listed};

/// The most jobs that a comparison may have, as far as this program knows: more are not asked for.
const MOST: u32 = 1000;

/// The jobs of the comparison, in their turns.
pub(super) fn of(connection: &Connection, comparison: &str) -> Result<Vec<Job>, ClientError> {
    // Whoever asks for a comparison that is not there is told so; a list of its jobs would be empty.
    let _there: Comparison = connection.get(&super::path(comparison))?;
    let filter = [("comparison", &Some(comparison.to_owned()))];
    let mut jobs: Vec<Job> = listed(connection, "/v0/jobs", &filter, MOST)?;
    jobs.retain(|job| job.comparison.is_some());
    jobs.sort_by_key(position);
    Ok(jobs)
}

fn position(job: &Job) -> u32 {
    job.comparison.as_ref().map_or(0, |side| side.position)
}

/// Which of the things compared a job is of, from 0.
pub(super) fn side(job: &Job) -> u32 {
    job.comparison.as_ref().map_or(0, |side| side.side)
}

/// What a side is called in short: A, B, and so on.
pub(super) fn letter(side: u32) -> String {
    let letter = u8::try_from(side)
        .ok()
        .and_then(|side| b'A'.checked_add(side));
    match letter.filter(u8::is_ascii_uppercase) {
        Some(letter) => char::from(letter).to_string(),
        None => format!("side {}", u64::from(side) + 1),
    }
}

/// What a job runs: its image, or its digest where that has no name, and its command if it is not the
/// image's own.
pub(super) fn runs(job: &Job) -> (String, Vec<String>) {
    let name = |field: &str| job.config[field].as_str();
    let image = name("image").or_else(|| name("digest"));
    let words = job.config["cmd"].as_array();
    let words = words.into_iter().flatten();
    let command = words.filter_map(|word| word.as_str().map(str::to_owned));
    (image.unwrap_or("?").to_owned(), command.collect())
}

#[cfg(test)]
mod tests {
    use super::letter;

    #[test]
    fn sides_have_letters_as_long_as_there_are_some() {
        assert_eq!(
            [0, 1, 25, 26, 300].map(letter),
            ["A", "B", "Z", "side 27", "side 301"]
        );
    }
}
