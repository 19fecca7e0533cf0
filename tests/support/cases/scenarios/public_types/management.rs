//! An API that manages the key.

use tower_api_key::integration::management::{
    ApiKeySecurity, ManagementApi, OwnerAuthoriser, Principal,
};
use tower_api_key::key::KeyFormat;

use super::marker::Marker;
use super::print::{Printed, debug};

pub(crate) async fn printed(marker: &Marker) -> Printed {
    let key = marker.fresh.key.expose_secret();
    let identity = marker.keys.verifier().verify(key).await.unwrap();
    vec![
        debug(
            "ApiKeySecurity",
            &ApiKeySecurity::new(&KeyFormat::default()),
        ),
        debug(
            "ManagementApi",
            &ManagementApi::new(&marker.keys, OwnerAuthoriser::new()),
        ),
        debug("OwnerAuthoriser", &OwnerAuthoriser::new()),
        debug("Principal", &Principal::of_key(identity)),
    ]
}
