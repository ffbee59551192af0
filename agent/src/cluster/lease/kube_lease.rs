//! The Lease on a real API server.

use std::time::Duration;

use async_trait::async_trait;
use k8s_openapi::api::coordination::v1::{Lease, LeaseSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{MicroTime, ObjectMeta};
use kompox_core::ownership::FIELD_MANAGER;
use kube::api::{GetParams, PostParams};
use kube::core::Request;

use super::{LEASE, LeaseApi, LeaseRecord};
use crate::cluster::error::{Cause, ClusterError};
use crate::cluster::reply::Call;
use crate::cluster::{KubeCluster, SYSTEM_NAMESPACE};

fn leases() -> Request {
    Request::new(format!("/apis/coordination.k8s.io/v1/namespaces/{SYSTEM_NAMESPACE}/leases"))
}

fn call(verb: &str) -> Call {
    Call::new(verb, format!("Lease {SYSTEM_NAMESPACE}/{LEASE}"), false)
}

#[async_trait]
impl LeaseApi for KubeCluster {
    async fn read(&self) -> Result<Option<LeaseRecord>, ClusterError> {
        match self.send_json::<Lease>(&call("get"), leases().get(LEASE, &GetParams::default())).await {
            Ok(lease) => Ok(Some(record(lease))),
            Err(ClusterError { cause: Cause::NotFound(_), .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    async fn write(&self, record: &LeaseRecord) -> Result<LeaseRecord, ClusterError> {
        let call = call(if record.resource_version.is_some() { "update" } else { "create" });
        let params = PostParams { dry_run: false, field_manager: Some(FIELD_MANAGER.to_owned()) };
        let body = serde_json::to_vec(&lease(record))
            .map_err(|error| call.error(Cause::Configuration(format!("it cannot be written: {error}"))))?;
        let request = match record.resource_version {
            Some(_) => leases().replace(LEASE, &params, body),
            None => leases().create(&params, body),
        };
        Ok(self::record(self.send_json(&call, request).await?))
    }
}

fn record(lease: Lease) -> LeaseRecord {
    let spec = lease.spec.unwrap_or_default();
    LeaseRecord {
        holder: spec.holder_identity,
        duration: Duration::from_secs(spec.lease_duration_seconds.and_then(|of| of.try_into().ok()).unwrap_or(0)),
        acquired: spec.acquire_time.map(|time| time.0),
        renewed: spec.renew_time.map(|time| time.0),
        transitions: spec.lease_transitions.unwrap_or(0),
        resource_version: lease.metadata.resource_version,
    }
}

fn lease(record: &LeaseRecord) -> Lease {
    Lease {
        metadata: ObjectMeta {
            name: Some(LEASE.to_owned()),
            namespace: Some(SYSTEM_NAMESPACE.to_owned()),
            resource_version: record.resource_version.clone(),
            ..ObjectMeta::default()
        },
        spec: Some(LeaseSpec {
            holder_identity: record.holder.clone(),
            // At least one second, as the API wants it.
            lease_duration_seconds: Some(i32::try_from(record.duration.as_secs()).unwrap_or(i32::MAX).max(1)),
            acquire_time: record.acquired.map(MicroTime),
            renew_time: record.renewed.map(MicroTime),
            lease_transitions: Some(record.transitions),
            ..LeaseSpec::default()
        }),
    }
}
