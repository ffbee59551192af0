//! The bodies are what a real API server (1.36) answered.

use serde_json::{Value, json};

use super::*;
use kompox_core::next::Next;

fn answer(code: u16, body: &Value) -> ClusterError {
    Call::new("apply", "Deployment shop/web", false).refusal(code, body.to_string().as_bytes(), None)
}

fn about_secret(code: u16, body: &Value) -> ClusterError {
    Call::new("apply", "Secret shop/key", true).refusal(code, body.to_string().as_bytes(), None)
}

fn status(code: u16, reason: &str, message: &str, details: Value) -> Value {
    json!({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure", "message": message,
        "reason": reason, "details": details, "code": code})
}

/// Without `reason` and `details`, as for an apply that does not fit the schema.
fn bare(code: u16, message: &str) -> Value {
    json!({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure", "message": message, "code": code})
}

#[test]
fn a_conflict_names_every_field_and_its_manager() {
    let causes = json!([
        {"reason": "FieldManagerConflict", "message": "conflict with \"kubectl-set\" using apps/v1",
         "field": ".spec.template.spec.containers[name=\"postgres\"].image"},
        {"reason": "FieldManagerConflict", "message": "conflict with \"kubectl\" with subresource \"scale\" using apps/v1",
         "field": ".spec.replicas"},
    ]);
    let error = answer(409, &status(409, "Conflict", "Apply failed with 2 conflicts: …", json!({"causes": causes})));
    assert_eq!((error.label(), error.next()), ("conflict", Next::Stalled));
    insta::assert_snapshot!(error, @r#"apply Deployment shop/web: owned by others than kompox-agent: .spec.template.spec.containers[name="postgres"].image by kubectl-set; .spec.replicas by kubectl (through scale); leave them out of the repository, or take them over with `reconcile.force: true`"#);
}

#[test]
fn a_stale_version_is_tried_again() {
    let precondition = status(
        409,
        "Conflict",
        "Operation cannot be fulfilled on ConfigMap \"cm\": the UID in the precondition (nope) does not match the UID in record (44111123). The object might have been deleted and then recreated",
        json!({"name": "cm", "kind": "ConfigMap"}),
    );
    let error = answer(409, &precondition);
    assert_eq!((error.cause.clone(), error.next()), (Cause::Changed, Next::Retry { after: None }));
}

#[test]
fn invalid_fields_are_listed() {
    let causes = json!([
        {"reason": "FieldValueInvalid", "message": "Invalid value: \"C_\": a lowercase RFC 1123 label must …",
         "field": "spec.template.spec.containers[0].name"},
        {"reason": "FieldValueRequired", "message": "Required value", "field": "spec.template.spec.containers[0].image"},
    ]);
    let error = answer(422, &status(422, "Invalid", "Deployment.apps \"x\" is invalid: …", json!({"causes": causes})));
    assert_eq!((error.label(), error.next(), error.is_immutable()), ("invalid", Next::Stalled, false));
    insta::assert_snapshot!(error, @r#"apply Deployment shop/web: the API server does not accept it: spec.template.spec.containers[0].name: Invalid value: "C_": a lowercase RFC 1123 label must …; spec.template.spec.containers[0].image: Required value"#);
}

#[test]
fn immutable_fields_are_told_apart_and_the_servers_diff_is_cut_off() {
    let message = "Forbidden: spec is immutable after creation except resources.requests and volumeAttributesClassName for bound claims\n@@ -10,7 +10,7 @@\n   }\n- \"StorageClassName\": \"x\",\n+ \"StorageClassName\": \"y\",\n";
    let causes = json!([{"reason": "FieldValueForbidden", "message": message, "field": "spec"}]);
    let error = answer(422, &status(422, "Invalid", message, json!({"causes": causes})));
    assert!(error.is_immutable());
    assert!(error.to_string().ends_with("for bound claims"), "{error}");
}

#[test]
fn what_does_not_fit_the_schema_is_invalid_though_the_server_says_500() {
    for message in [
        "failed to create typed patch object (/x; apps/v1, Kind=Deployment): .spec.foo: field not declared in schema",
        "failed to create typed patch object (/x; apps/v1, Kind=Deployment): .spec.template.spec.containers: duplicate entries for key [name=\"c\"]",
        "failed to convert new object (/s; /v1, Kind=Secret) to proper version: unable to convert unstructured object to /v1",
    ] {
        let error = answer(500, &bare(500, message));
        assert_eq!((error.label(), error.next()), ("invalid", Next::Stalled), "{message}");
        assert!(error.to_string().ends_with(message));
    }
}

#[test]
fn a_missing_rbac_rule_is_spelled_out() {
    let message = "deployments.apps \"none\" is forbidden: User \"system:serviceaccount:k4x-system:kompox-agent\" cannot get resource \"deployments\" in API group \"apps\" in the namespace \"demo\"";
    let error = answer(403, &status(403, "Forbidden", message, json!({"name": "none", "kind": "deployments"})));
    assert_eq!((error.label(), error.next()), ("forbidden", Next::Stalled));
    insta::assert_snapshot!(error, @r#"apply Deployment shop/web: system:serviceaccount:k4x-system:kompox-agent may not get deployments in the namespace demo; its ClusterRole needs the rule apiGroups: ["apps"], resources: [deployments], verbs: [get]"#);
    let message = "persistentvolumes \"x\" is forbidden: User \"bob\" cannot patch resource \"persistentvolumes\" in API group \"\" at the cluster scope";
    let error = answer(403, &status(403, "Forbidden", message, json!({})));
    assert!(
        error.to_string().contains("in the whole cluster; its ClusterRole needs the rule apiGroups: [\"\"]"),
        "{error}"
    );
}

#[test]
fn rights_that_the_agent_does_not_hold_are_named() {
    let message = "roles.rbac.authorization.k8s.io \"x\" is forbidden: user \"bob\" (groups=[\"system:authenticated\"]) is attempting to grant RBAC permissions not currently held:\n{APIGroups:[\"\"], Resources:[\"pods\"], Verbs:[\"get\"]}";
    let error = answer(403, &status(403, "Forbidden", message, json!({"name": "x", "kind": "roles"})));
    assert_eq!(error.label(), "forbidden");
    assert!(error.to_string().ends_with("{APIGroups:[\"\"], Resources:[\"pods\"], Verbs:[\"get\"]}"), "{error}");
}

#[test]
fn refusals_of_admission_are_told_apart() {
    let quota = "configmaps \"g\" is forbidden: exceeded quota: q, requested: configmaps=1, used: configmaps=1, limited: configmaps=1";
    let error = answer(403, &status(403, "Forbidden", quota, json!({})));
    assert_eq!((error.label(), error.next()), ("quota", Next::Wait));

    let security = "pods \"g\" is forbidden: violates PodSecurity \"restricted:latest\": runAsNonRoot != true";
    let error = answer(403, &status(403, "Forbidden", security, json!({})));
    assert_eq!((error.label(), error.next()), ("denied", Next::Stalled));

    let policy = "secrets \"g\" is forbidden: ValidatingAdmissionPolicy 'deny' with binding 'deny' denied request: no secrets like g";
    let causes = json!([{"message": policy.split_once(": ").unwrap().1}]);
    assert_eq!(answer(422, &status(422, "Invalid", policy, json!({"causes": causes}))).label(), "denied");

    let webhook = "admission webhook \"policy.example.com\" denied the request: no latest tags";
    assert_eq!(answer(400, &status(400, "BadRequest", webhook, json!({}))).label(), "denied");

    let dry_run = "admission webhook \"old.example.com\" does not support dry run";
    let error = answer(400, &status(400, "BadRequest", dry_run, json!({})));
    assert_eq!(error.cause, Cause::WebhookNoDryRun("old.example.com".into()));

    let down = "Internal error occurred: failed calling webhook \"down.example.com\": failed to call webhook: Post \"https://127.0.0.1:1/x?timeout=10s\": connection refused";
    let error = answer(500, &status(500, "InternalError", down, json!({"causes": [{"message": down}]})));
    assert_eq!((error.label(), error.next()), ("webhook-failed", Next::Retry { after: None }));
    assert!(error.to_string().contains("the admission webhook down.example.com does not answer"));
}

#[test]
fn what_is_going_away_is_waited_for() {
    let causes = json!([{"reason": "NamespaceTerminating", "message": "namespace dying is being terminated", "field": "metadata.namespace"}]);
    let message =
        "configmaps \"g\" is forbidden: unable to create new content in namespace dying because it is being terminated";
    let error = answer(403, &status(403, "Forbidden", message, json!({"causes": causes})));
    assert_eq!((error.label(), error.next()), ("terminating", Next::Wait));
    let message = "object is being deleted: namespaces \"dying\" already exists";
    assert_eq!(answer(409, &status(409, "AlreadyExists", message, json!({}))).label(), "terminating");
    let message = "namespaces \"demo\" already exists";
    assert_eq!(answer(409, &status(409, "AlreadyExists", message, json!({}))).label(), "already-exists");
}

#[test]
fn what_is_missing_is_named() {
    let details = json!({"name": "nope", "kind": "namespaces"});
    let error = answer(404, &status(404, "NotFound", "namespaces \"nope\" not found", details));
    assert_eq!(error.to_string(), "apply Deployment shop/web: the Namespace nope does not exist");
    let details = json!({"name": "web", "group": "apps", "kind": "deployments"});
    let error = answer(404, &status(404, "NotFound", "deployments.apps \"web\" not found", details));
    assert_eq!(error.to_string(), "apply Deployment shop/web: Deployment shop/web does not exist");
    let error = Call::new("list", "nodes", false).refusal(404, b"404 page not found\n", None);
    assert_eq!(error.to_string(), "list nodes: nodes, or the API that serves it, does not exist");
}

#[test]
fn overload_says_how_long_to_wait() {
    let call = Call::new("list", "nodes", false);
    let busy = status(429, "TooManyRequests", "too many requests", json!({"retryAfterSeconds": 7}));
    let error = call.refusal(429, busy.to_string().as_bytes(), None);
    assert_eq!(error.next(), Next::Retry { after: Some(Duration::from_secs(7)) });
    let error = call.refusal(503, b"<html>\n<h1>upstream  unavailable</h1>", Some(Duration::from_secs(3)));
    assert_eq!(error.next(), Next::Retry { after: Some(Duration::from_secs(3)) });
    // A proxy that is being looked after names an hour, or anything.
    for long in [Duration::from_secs(3600), Duration::from_secs(u64::MAX)] {
        let error = call.refusal(503, b"maintenance", Some(long));
        assert_eq!(error.next(), Next::Retry { after: Some(Duration::from_secs(60)) });
    }
    assert!(error.to_string().ends_with("not able to answer: <html> <h1>upstream unavailable</h1>"), "{error}");
}

#[test]
fn other_refusals_are_told_with_their_number() {
    assert_eq!(answer(401, &status(401, "Unauthorized", "Unauthorized", json!({}))).label(), "unauthorized");
    assert_eq!(answer(410, &status(410, "Expired", "too old", json!({}))).label(), "expired");
    let error = answer(405, &status(405, "MethodNotAllowed", "the server does not allow this method", json!({})));
    assert_eq!((error.label(), error.next()), ("invalid", Next::Stalled));
    assert!(error.to_string().ends_with("(HTTP 405)"), "{error}");
    assert_eq!(answer(413, &json!("not a status")).label(), "invalid");
}

const CANARY: &str = "canary-4711";

#[test]
fn no_words_about_a_secret_get_through() {
    let message = format!("it is said that {CANARY} is wrong");
    let causes = json!([{"reason": "FieldValueInvalid", "message": message, "field": "data[key]"}]);
    let bodies = [
        status(422, "Invalid", &message, json!({"causes": causes})),
        status(422, "Invalid", &message, json!({})),
        status(403, "Forbidden", &message, json!({})),
        status(403, "Forbidden", &format!("exceeded quota {CANARY}"), json!({})),
        status(400, "BadRequest", &format!("admission webhook \"w\" denied the request: {CANARY}"), json!({})),
        status(500, "InternalError", &format!("failed calling webhook \"w\": {CANARY}"), json!({})),
        status(503, "ServiceUnavailable", &message, json!({})),
        bare(500, &format!("failed to convert new object: error found near {CANARY}")),
        json!(CANARY),
    ];
    for body in bodies {
        for code in [400, 403, 405, 422, 429, 500, 503] {
            let error = about_secret(code, &body);
            assert!(!format!("{error} {error:?}").contains(CANARY), "{error:?}");
        }
    }
    let fields = about_secret(422, &status(422, "Invalid", &message, json!({"causes": causes})));
    insta::assert_snapshot!(fields, @"apply Secret shop/key: the API server does not accept it: data[key]: its value is not accepted");
}

#[test]
fn long_messages_are_cut() {
    let error = answer(503, &status(503, "ServiceUnavailable", &"é".repeat(2000), json!({})));
    assert!(error.to_string().chars().count() < 600 && error.to_string().ends_with('…'));
}

#[test]
fn a_long_list_of_conflicts_is_shortened() {
    let cause = |index: usize| json!({"reason": "FieldManagerConflict", "message": "conflict with \"helm\"", "field": format!(".f{index}")});
    let causes: Vec<Value> = (0..9).map(cause).collect();
    let error = answer(409, &status(409, "Conflict", "", json!({"causes": causes})));
    assert!(error.to_string().contains(".f4 by helm; and 4 more;"), "{error}");
}
