//! The parts themselves, on real processes: what the other end-to-end tests rely on.

use kompox_tests::control_plane::ControlPlane;
use kompox_tests::parts::{Part, skip_without};

#[tokio::test]
async fn a_control_plane_comes_up_and_stays() {
    if skip_without(&[Part::ControlPlane, Part::Kwok]) {
        return;
    }
    let plane = ControlPlane::shared().await.unwrap();
    plane.check_running().unwrap();
    assert_eq!(plane.pids().len(), 5);
}
