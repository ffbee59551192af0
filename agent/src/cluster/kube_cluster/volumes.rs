//! What only PersistentVolumes need: to be made free for another claim, and where they are attached.

use kompox_core::observed::LiveObject;
use kompox_core::ownership::FIELD_MANAGER;
use kompox_manifests::object::ObjectKey;
use kube::api::ListParams;
use serde_json::{Value, json};

use super::{Call, Cause, ClusterError, KubeCluster, call, is_path_segment, live_object, path};

const ATTACHMENTS: &str = "/apis/storage.k8s.io/v1/volumeattachments";

impl KubeCluster {
    /// One JSON patch: it holds only for the version that was seen, and takes away two fields.
    pub(super) async fn forget_claim(
        &self,
        key: &ObjectKey,
        version: &str,
        dry_run: bool,
    ) -> Result<LiveObject, ClusterError> {
        let call = call("give back", key);
        if !is_path_segment(&key.name) {
            return Err(call.error(Cause::Configuration(format!("{key} is not a valid name"))));
        }
        // `remove` needs something to remove, and either may be missing.
        let mut patch = vec![json!({"op": "test", "path": "/metadata/resourceVersion", "value": version})];
        for field in ["/spec/claimRef/uid", "/spec/claimRef/resourceVersion"] {
            patch.push(json!({"op": "add", "path": field, "value": ""}));
            patch.push(json!({"op": "remove", "path": field}));
        }
        let dry_run = if dry_run { "&dryRun=All" } else { "" };
        let url = format!("{}/{}?fieldManager={FIELD_MANAGER}{dry_run}", path(key.kind, None), key.name);
        let request = http::Request::patch(url).header("content-type", "application/json-patch+json");
        let request = request
            .body(Value::Array(patch).to_string().into_bytes())
            .map_err(kube::core::request::Error::BuildRequest);
        match self.send_json(&call, request).await {
            Ok(body) => live_object(&call, key.kind, body),
            // A `test` that fails is answered as a faulty patch; nothing else can be wrong with this one.
            Err(ClusterError { cause: Cause::Invalid(_), .. }) => Err(call.error(Cause::Changed)),
            Err(error) => Err(error),
        }
    }

    /// Nodes that a PersistentVolume has an attachment to, whatever its state.
    pub(super) async fn attachments(&self, volume: &str) -> Result<Vec<String>, ClusterError> {
        let call = Call::new("list", "VolumeAttachments", false);
        let items: Vec<Value> = self.list(&call, ATTACHMENTS, &ListParams::default()).await?;
        let text = |item: &Value, pointer: &str| item.pointer(pointer).and_then(Value::as_str).map(str::to_owned);
        let of_volume = items
            .iter()
            .filter(|item| text(item, "/spec/source/persistentVolumeName").is_some_and(|name| name == volume));
        Ok(of_volume.map(|item| text(item, "/spec/nodeName").unwrap_or_else(|| "a node".to_owned())).collect())
    }
}
