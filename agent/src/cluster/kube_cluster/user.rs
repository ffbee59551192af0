//! Who we are to the API server.

use serde_json::{Value, json};

use super::{Call, ClusterError, KubeCluster};

impl KubeCluster {
    /// The name that the API server knows us by, whatever the kubeconfig calls it.
    pub(crate) async fn user(&self) -> Result<String, ClusterError> {
        let call = Call::new("get", "who we are", false);
        let body = json!({"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"});
        let request = http::Request::post("/apis/authentication.k8s.io/v1/selfsubjectreviews")
            .header(http::header::CONTENT_TYPE, "application/json")
            .body(body.to_string().into_bytes())
            .map_err(kube::core::request::Error::BuildRequest);
        let review: Value = self.send_json(&call, request).await?;
        let name = review.pointer("/status/userInfo/username").and_then(Value::as_str);
        name.map(str::to_owned).ok_or_else(|| call.not_understood("it has no user name"))
    }
}
