//! What a commit says of its providers, held against the drivers that there are. Only the agent knows those; a commit
//! that names another one, or leaves out what its driver needs, is wrong like one with a mistake in its YAML.

use kompox_drivers::class::{self, DriverName};
use kompox_manifests::diagnostic::Diagnostic;
use kompox_manifests::model::App;
use kompox_manifests::yaml::fields::suggest;

const CODE: &str = "provider";

/// What is wrong with an App because no driver can serve it.
pub(crate) fn check(app: &App) -> Option<Diagnostic> {
    let driver = &app.provider.driver;
    let Ok(known) = driver.value.parse::<DriverName>() else {
        let names = DriverName::ALL.map(DriverName::as_str);
        let help = match suggest(&driver.value, names) {
            Some(meant) => format!("did you mean `{meant}`?"),
            None => format!("the drivers are {}", names.join(", ")),
        };
        let message = format!("there is no driver `{}`", driver.value);
        return Some(Diagnostic::error(CODE, driver.at.clone(), message).help(help));
    };
    // What a disk needs of the settings does not depend on the disk.
    let volume = app.volumes.first()?;
    let handle = class::placeholder_handle(known.as_str(), &volume.name);
    let error = class::volume_class(known.as_str(), &app.provider.settings, &handle, None).err()?;
    let help = "add or mend the setting in the `settings` of the Provider";
    Some(Diagnostic::error(CODE, driver.at.clone(), error.message).help(help))
}

#[cfg(test)]
mod tests {
    use kompox_manifests::desired::{Conversions, Terms, desire};
    use kompox_manifests::source::MemoryTree;

    use super::*;

    fn checked(provider: &str, volumes: &str) -> (bool, Vec<String>) {
        let entry = format!(
            "version: v1\nworkspace: {{name: w}}\nprovider: {provider}\ncluster: {{name: c, existing: true}}\napp:\n  \
             name: a\n  compose: {{services: {{web: {{image: nginx:1}}}}}}\n  volumes: {volumes}\n"
        );
        let tree = MemoryTree::new([("kompoxops.yml", entry)]);
        let sound = desire(&tree, "", &Terms::default());
        assert!(sound.is_sound(), "{:?}", sound.diagnostics);
        let desired = Conversions::default().desire(&tree, "", &Terms::default(), check);
        let entry = &desired.entries[0];
        assert_eq!(entry.rejected, entry.apps.is_empty());
        assert!(!entry.claims.is_empty(), "nothing of the App may be removed");
        let told = desired.diagnostics.iter().map(|found| format!("{found} | {}", found.help.as_deref().unwrap_or("")));
        (entry.rejected, told.collect())
    }

    #[test]
    fn a_driver_that_there_is_not_rejects_the_entry() {
        let all = "the drivers are local, csi, aks, eks, gke, oke";
        for (driver, help) in [("loca", "did you mean `local`?"), ("k3s", all)] {
            let (rejected, told) = checked(&format!("{{name: p, driver: {driver}}}"), "[]");
            assert!(rejected);
            assert_eq!(told, [format!("kompoxops.yml:3:29: there is no driver `{driver}` | {help}")]);
        }
    }

    #[test]
    fn what_a_driver_needs_for_disks_must_be_there() {
        let volume = "[{name: data, size: 1Gi}, {name: more, size: 1Gi}]";
        let (rejected, told) = checked("{name: p, driver: csi}", volume);
        assert!(rejected && told.len() == 1 && told[0].contains("CSI_STORAGE_CLASS"), "{told:?}");
        assert_eq!(checked("{name: p, driver: csi}", "[]"), (false, vec![]));
        assert!(!checked("{name: p, driver: csi, settings: {CSI_STORAGE_CLASS: fast}}", volume).0);
        assert!(!checked("{name: p, driver: aks}", volume).0);
    }
}
