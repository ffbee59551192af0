//! Answers of the API server that say no, put into types.
//!
//! Everything that the server says about a Secret is tainted: its messages quote values. Of those only
//! the reason and the names of fields are kept.

use std::error::Error;
use std::time::Duration;

use kube::core::Status;

use super::error::{Cause, ClusterError, FieldConflict, FieldProblem};

/// What stands for words that may quote a Secret's value.
const WITHHELD: &str = "not accepted (the server's words are withheld, they may quote the Secret)";

/// The longest that the API server, or a proxy before it, is left alone because it asks for that.
const LONGEST_WAIT: Duration = Duration::from_secs(60);

/// What was asked of the API server, for messages.
#[derive(Clone, Debug)]
pub(super) struct Call {
    /// `apply`.
    verb: String,
    /// `apply Deployment shop/web`.
    action: String,
    /// `Deployment shop/web`.
    target: String,
    /// Whether the server's words may quote a Secret.
    secret: bool,
}

impl Call {
    pub(super) fn new(verb: &str, target: impl Into<String>, secret: bool) -> Self {
        let target = target.into();
        Self { verb: verb.to_owned(), action: format!("{verb} {target}"), target, secret }
    }

    /// What is asked for, in one word of a few: the first of the verb.
    pub(super) fn verb(&self) -> &str {
        self.verb.split(' ').next().unwrap_or_default()
    }

    /// The error of this call.
    pub(super) fn error(&self, cause: Cause) -> ClusterError {
        ClusterError::new(&self.action, cause)
    }

    /// The error of an answer that is not what the API promises. `what` must not quote the answer.
    pub(super) fn not_understood(&self, what: impl Into<String>) -> ClusterError {
        self.error(Cause::Answer(what.into()))
    }

    /// The error behind a call that got no answer.
    pub(super) fn no_answer(&self, error: &kube::Error) -> ClusterError {
        use kube::client::AuthError;
        self.error(match error {
            // Its output, arguments and environment may hold a token.
            kube::Error::Auth(AuthError::AuthExecRun { cmd: _, out }) => {
                Cause::Configuration(format!("the credential command of the kubeconfig failed ({})", out.status))
            }
            kube::Error::Auth(AuthError::AuthExecParse(_)) => {
                Cause::Configuration("the output of the kubeconfig's credential command was not understood".to_owned())
            }
            kube::Error::Auth(error) => Cause::Configuration(format!("no credentials: {}", chain(error))),
            other => Cause::Unreachable(chain(other)),
        })
    }

    /// The error of a refusal: the HTTP status, the body, and the seconds of `Retry-After`.
    pub(super) fn refusal(&self, code: u16, body: &[u8], after: Option<Duration>) -> ClusterError {
        let status = serde_json::from_slice::<Status>(body).unwrap_or_else(|_| {
            // Not the API server's form: a proxy in front of it, or a path that it does not serve.
            Status::failure(&shorten(&String::from_utf8_lossy(body)), "")
        });
        let status = Status { code, ..status };
        self.error(self.cause(&status, after))
    }

    fn cause(&self, status: &Status, after: Option<Duration>) -> Cause {
        let after = after.or_else(|| {
            let seconds = status.details.as_ref().map_or(0, |details| details.retry_after_seconds);
            (seconds > 0).then(|| Duration::from_secs(seconds.into()))
        });
        let after = after.map(|after| after.min(LONGEST_WAIT));
        match (status.code, status.reason.as_str()) {
            (409, "AlreadyExists") if status.message.starts_with("object is being deleted") => {
                Cause::Terminating(self.target.clone())
            }
            (409, "AlreadyExists") => Cause::AlreadyExists,
            (409, _) => conflict(status),
            (404, _) => Cause::NotFound(self.missing(status)),
            (401, _) => Cause::Unauthorized,
            (410, _) => Cause::Expired,
            (403, _) => self.forbidden(status),
            (400, _) if status.message.contains("does not support dry run") => Cause::WebhookNoDryRun(
                quoted_after(&status.message, "admission webhook").unwrap_or_default().to_owned(),
            ),
            (_, _) if status.message.contains("denied the request") || status.message.contains("denied request") => {
                Cause::Denied(self.words(&status.message))
            }
            (422, _) => Cause::Invalid(self.problems(status)),
            (500, _) if status.message.contains("failed calling webhook") => Cause::WebhookFailed {
                webhook: quoted_after(&status.message, "failed calling webhook").unwrap_or_default().to_owned(),
                message: self.words(&status.message),
            },
            // The server answers 500 without a reason to an apply that does not fit the schema.
            (500, "") if is_of_schema(&status.message) => Cause::Invalid(vec![FieldProblem {
                field: String::new(),
                message: self.words(&status.message),
                immutable: false,
            }]),
            (429 | 500.., _) => Cause::Unavailable { message: self.words(&status.message), after },
            (code, _) => Cause::Invalid(vec![FieldProblem {
                field: String::new(),
                message: format!("{} (HTTP {code})", self.words(&status.message)),
                immutable: false,
            }]),
        }
    }

    /// What a 404 misses: often not the object itself but its Namespace.
    fn missing(&self, status: &Status) -> String {
        match &status.details {
            Some(details) if details.kind == "namespaces" => format!("the Namespace {}", details.name),
            Some(details) if !details.name.is_empty() => self.target.clone(),
            _ => format!("{}, or the API that serves it,", self.target),
        }
    }

    fn forbidden(&self, status: &Status) -> Cause {
        let causes = status.details.as_ref().map_or(&[][..], |details| &details.causes);
        if causes.iter().any(|cause| cause.reason == "NamespaceTerminating") {
            return Cause::Terminating("its Namespace".to_owned());
        }
        let message = &status.message;
        if message.contains("exceeded quota") {
            return Cause::Quota(self.words(message));
        }
        if let Some(rule) = missing_rule(message) {
            return Cause::Forbidden(rule);
        }
        if message.contains("attempting to grant RBAC permissions") {
            return Cause::Forbidden(format!(
                "the agent may not give rights that it does not hold itself; add them to its ClusterRole: {}",
                self.words(message.split_once("currently held:").map_or(message.as_str(), |(_, rules)| rules))
            ));
        }
        Cause::Denied(self.words(message))
    }

    fn problems(&self, status: &Status) -> Vec<FieldProblem> {
        let causes = status.details.as_ref().map_or(&[][..], |details| &details.causes);
        if causes.is_empty() {
            let immutable = is_immutable(&status.message);
            return vec![FieldProblem { field: String::new(), message: self.words(&status.message), immutable }];
        }
        causes
            .iter()
            .map(|cause| FieldProblem {
                field: cause.field.clone(),
                message: if self.secret { reason(&cause.reason).to_owned() } else { shorten(&cause.message) },
                immutable: is_immutable(&cause.message),
            })
            .collect()
    }

    /// The server's words, unless they may quote a Secret.
    fn words(&self, message: &str) -> String {
        if self.secret { WITHHELD.to_owned() } else { shorten(message) }
    }
}

/// A 409: fields of other managers, or a version that is not the newest.
fn conflict(status: &Status) -> Cause {
    let conflicts: Vec<FieldConflict> = status
        .details
        .iter()
        .flat_map(|details| &details.causes)
        .filter(|cause| cause.reason == "FieldManagerConflict")
        .map(|cause| FieldConflict {
            field: cause.field.clone(),
            manager: quoted_after(&cause.message, "conflict with").unwrap_or("(unnamed)").to_owned(),
            subresource: quoted_after(&cause.message, "with subresource").map(str::to_owned),
        })
        .collect();
    if conflicts.is_empty() { Cause::Changed } else { Cause::Conflict(conflicts) }
}

/// The RBAC rule that a refusal asks for, as a sentence.
fn missing_rule(message: &str) -> Option<String> {
    let user = quoted_after(message, "User")?;
    let verb = message.split_once("\" cannot ")?.1.split_whitespace().next()?;
    let resource = quoted_after(message, "resource")?;
    let group = quoted_after(message, "API group")?;
    let place = match quoted_after(message, "in the namespace") {
        Some(namespace) => format!("in the namespace {namespace}"),
        None => "in the whole cluster".to_owned(),
    };
    Some(format!(
        "{user} may not {verb} {resource} {place}; its ClusterRole needs the rule apiGroups: [\"{group}\"], resources: \
         [{resource}], verbs: [{verb}]"
    ))
}

/// The text in double quotes that follows a word.
fn quoted_after<'text>(message: &'text str, word: &str) -> Option<&'text str> {
    let (_, rest) = message.split_once(&format!("{word} \""))?;
    Some(rest.split_once('"')?.0)
}

fn is_of_schema(message: &str) -> bool {
    ["failed to create typed", "failed to convert new object", "failed to merge", "field not declared in schema"]
        .iter()
        .any(|start| message.contains(start))
}

/// The ways in which the API server says that a field never changes.
fn is_immutable(message: &str) -> bool {
    ["immutable", "may not change once set", "may not be changed", "cannot change roleRef", "can not be less than"]
        .iter()
        .any(|words| message.contains(words))
}

/// A cause's reason in words, without the value.
fn reason(reason: &str) -> &'static str {
    match reason {
        "FieldValueRequired" => "it is required",
        "FieldValueForbidden" => "it may not be set or changed",
        "FieldValueTooLong" | "FieldValueTooMany" => "it is too long",
        "FieldValueDuplicate" => "it is given twice",
        "FieldValueNotSupported" => "it is not one of the supported values",
        _ => "its value is not accepted",
    }
}

/// An error with everything behind it, each said once.
pub(super) fn chain(error: &(dyn Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let words = cause.to_string();
        if !text.contains(&words) {
            text = format!("{text}: {words}");
        }
        source = cause.source();
    }
    shorten(&text)
}

/// The first lines of a message, on one line and of a length that fits a report. (Some of the
/// server's messages go on with a diff of its internal form.)
fn shorten(message: &str) -> String {
    const LONGEST: usize = 500;
    let message = message.split("\n@@ ").next().unwrap_or_default();
    let line = message.split_whitespace().collect::<Vec<_>>().join(" ");
    match line.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{}…", &line[..end]),
        None => line,
    }
}

#[cfg(test)]
mod tests;
