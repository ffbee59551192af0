//! Waiting for something to become true, with a deadline and a message that says what was awaited.

use std::time::{Duration, Instant};

use anyhow::{Result, bail};

/// Between two looks.
const STEP: Duration = Duration::from_millis(50);

/// What one look found.
#[derive(Debug)]
pub enum Look<T> {
    /// It is there.
    Done(T),
    /// It is not there yet; the text says what was seen instead.
    NotYet(String),
}

/// Looks until something is [`Done`](Look::Done), at most for `limit`. `what` is what is awaited, for the
/// message. An error of the look ends the wait at once.
///
/// # Errors
/// The look's own error; or when the time is over, with what the last look saw.
pub async fn until<T>(what: &str, limit: Duration, mut look: impl AsyncFnMut() -> Result<Look<T>>) -> Result<T> {
    let start = Instant::now();
    loop {
        match look().await? {
            Look::Done(value) => return Ok(value),
            Look::NotYet(seen) if start.elapsed() >= limit => {
                bail!("waited {} s for {what}; last seen: {seen}", limit.as_secs_f32())
            }
            Look::NotYet(_) => tokio::time::sleep(STEP).await,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn gives_the_value_once_it_is_there() {
        let mut looks = 0;
        let found = until("the third look", Duration::from_secs(5), || {
            looks += 1;
            let look = if looks == 3 { Look::Done(looks) } else { Look::NotYet(format!("look {looks}")) };
            async { Ok(look) }
        });
        assert_eq!(found.await.unwrap(), 3);
    }

    #[tokio::test]
    async fn says_what_it_saw_last_when_the_time_is_over() {
        let never = until::<()>("rain", Duration::from_millis(60), || async { Ok(Look::NotYet("sun".to_owned())) });
        assert_eq!(never.await.unwrap_err().to_string(), "waited 0.06 s for rain; last seen: sun");
    }

    #[tokio::test]
    async fn an_error_ends_the_wait_at_once() {
        let broken = until::<()>("rain", Duration::from_secs(60), || async { bail!("no sky") });
        assert_eq!(broken.await.unwrap_err().to_string(), "no sky");
    }
}
