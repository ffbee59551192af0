use serde_json::json;

use super::*;

fn settings(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs.iter().map(|&(key, value)| (key.to_owned(), value.to_owned())).collect()
}

fn csi_parts(class: &VolumeClass) -> (&str, &str, &str, &BTreeMap<String, String>) {
    match &class.source {
        PvSource::Csi { driver, handle, attributes } => (&class.storage_class, driver, handle, attributes),
        PvSource::Local { path } => panic!("{path}"),
    }
}

/// A PersistentVolume with this class, as the API server returns it.
fn pv(class: &VolumeClass) -> Value {
    let expressions: Vec<Value> = class
        .node_affinity
        .iter()
        .map(|(key, values)| json!({"key": key, "operator": "In", "values": values}))
        .collect();
    let mut spec = match &class.source {
        PvSource::Csi { driver, handle, .. } => json!({"csi": {"driver": driver, "volumeHandle": handle}}),
        PvSource::Local { path } => json!({"local": {"path": path}}),
    };
    spec["nodeAffinity"] = json!({"required": {"nodeSelectorTerms": [{"matchExpressions": expressions}]}});
    json!({"metadata": {"name": "pv1"}, "spec": spec})
}

#[test]
fn aks_is_as_deployed_clusters_have_it() {
    let handle = "/subscriptions/00000000-0000-0000-0000-000000000000/resourceGroups/rg1/providers/\
                  Microsoft.Compute/disks/default";
    let class = volume_class("aks", &settings(&[("AZURE_LOCATION", "eastus")]), handle, None).unwrap();
    let fs_type = settings(&[("fsType", "ext4")]);
    assert_eq!(csi_parts(&class), ("managed-csi", "disk.csi.azure.com", handle, &fs_type));
    assert_eq!(class.access_modes, ["ReadWriteOnce"]);
    assert_eq!(class.node_affinity, []);
}

#[test]
fn a_zone_becomes_the_label_of_the_providers_csi_driver() {
    for (driver, given, label, value) in [
        ("aks", "1", "topology.disk.csi.azure.com/zone", "japaneast-1"),
        ("aks", "japaneast-2", "topology.disk.csi.azure.com/zone", "japaneast-2"),
        ("eks", "us-east-2c", "topology.kubernetes.io/zone", "us-east-2c"),
        ("gke", "europe-west1-b", "topology.gke.io/zone", "europe-west1-b"),
        ("oke", "Uocm:PHX-AD-2", "topology.kubernetes.io/zone", "PHX-AD-2"),
        ("oke", "PHX-AD-2", "topology.kubernetes.io/zone", "PHX-AD-2"),
    ] {
        let class = volume_class(driver, &settings(&[("AZURE_LOCATION", "Japan East")]), "h", Some(given)).unwrap();
        assert_eq!(class.node_affinity, [(label.to_owned(), vec![value.to_owned()])], "{driver} {given}");
    }
    let nowhere = volume_class("aks", &settings(&[]), "h", Some("1")).unwrap();
    assert_eq!(nowhere.node_affinity, [], "without its region a zone's number says nothing");
}

#[test]
fn every_known_driver_can_be_rendered_without_a_provider() {
    for driver in DriverName::ALL {
        let handle = placeholder_handle(driver.as_str(), "data");
        let class = volume_class(driver.as_str(), &settings(&[("CSI_STORAGE_CLASS", "longhorn")]), &handle, None);
        assert_eq!(class.unwrap().access_modes, ["ReadWriteOnce"], "{driver}");
    }
}

#[test]
fn a_placeholder_is_mounted_nowhere() {
    let local = volume_class("local", &settings(&[]), "local:data", None).unwrap();
    assert_eq!(local.source, PvSource::Local { path: "/var/lib/kompox/disks/data".into() });
    assert_eq!(local.node_affinity, [("kubernetes.io/hostname".to_owned(), vec![NOT_KNOWN.to_owned()])]);
    let csi = volume_class("csi", &settings(&[("CSI_STORAGE_CLASS", "longhorn")]), "csi:data", None).unwrap();
    assert_eq!(csi_parts(&csi).1, NOT_KNOWN);
}

#[test]
fn local_settings_and_handles_give_path_and_node() {
    let both = settings(&[("LOCAL_ROOT", "/srv/k/"), ("LOCAL_NODE", "n1")]);
    for (handle, path, node) in [
        ("local:data", "/srv/k/disks/data", "n1"),
        ("/mnt/data", "/mnt/data", "n1"),
        ("local://n2/mnt/data", "/mnt/data", "n2"),
    ] {
        let class = volume_class("local", &both, handle, None).unwrap();
        assert_eq!(class.storage_class, "kompox-local");
        assert_eq!(class.source, PvSource::Local { path: path.into() });
        assert_eq!(class.node_affinity, [("kubernetes.io/hostname".to_owned(), vec![node.to_owned()])]);
    }
}

#[test]
fn what_cannot_be_rendered_says_why() {
    for (driver, handle, words) in [
        ("azure", "h", "`azure` is not known; the drivers are local, csi, aks, eks, gke, oke"),
        ("auto", "h", "`auto` is not known"),
        ("", "h", "is not known"),
        ("csi", "h", "needs the setting CSI_STORAGE_CLASS"),
        ("local", "nonsense", "local://NODE/PATH"),
        ("local", "local:../../etc", "has a part `.` or `..`"),
        ("local", "/a/../b", "has a part `.` or `..`"),
    ] {
        let error = volume_class(driver, &settings(&[]), handle, None).unwrap_err();
        assert_eq!(error.label(), "invalid");
        assert!(error.message.contains(words), "{driver} {handle}: {error}");
    }
}

#[test]
fn the_handle_is_read_back_from_the_volume() {
    let all = settings(&[("CSI_STORAGE_CLASS", "longhorn")]);
    for (driver, handle) in [
        ("local", "local://n1/var/lib/kompox/disks/a-1/data/d/data"),
        ("aks", "/subscriptions/s/resourceGroups/rg1/providers/Microsoft.Compute/disks/default"),
        ("eks", "vol-0123456789abcdef0"),
        ("gke", "projects/p/zones/z/disks/d"),
        ("oke", "ocid1.volume.oc1..x"),
        ("csi", "driver.longhorn.io^pvc-1"),
    ] {
        let class = volume_class(driver, &all, handle, Some("zone-1")).unwrap();
        assert_eq!(handle_of_pv(driver, &pv(&class)).unwrap(), handle);
    }
}

#[test]
fn volumes_of_another_kind_give_no_handle() {
    let two_nodes = json!({"metadata": {"name": "pv1"}, "spec": {"local": {"path": "/a"}, "nodeAffinity": {"required": {
        "nodeSelectorTerms": [{"matchExpressions": [
            {"key": "kubernetes.io/hostname", "operator": "In", "values": ["n1", "n2"]}]}]}}}});
    let excluded = json!({"spec": {"local": {"path": "/a"}, "nodeAffinity": {"required": {
        "nodeSelectorTerms": [{"matchExpressions": [
            {"key": "kubernetes.io/hostname", "operator": "NotIn", "values": ["n1"]}]}]}}}});
    for (driver, pv, words) in [
        (
            "local",
            json!({}),
            "PersistentVolume `(without a name)` is none of driver `local`: it has no spec.local.path",
        ),
        ("local", json!({"metadata": {"name": "pv1"}, "spec": {"local": {"path": "/a"}}}), "names one node"),
        ("local", two_nodes, "names one node"),
        ("local", excluded, "names one node"),
        ("aks", json!({"spec": {"local": {"path": "/a"}}}), "has no spec.csi.volumeHandle"),
        ("csi", json!({"spec": {"csi": {"volumeHandle": "x"}}}), "has no spec.csi.driver"),
        ("azure", json!({}), "`azure` is not known"),
    ] {
        let error = handle_of_pv(driver, &pv).unwrap_err();
        assert!(error.message.contains(words), "{driver}: {error}");
    }
}
