//! Certificates of one test: an authority, a server at an address, and a client named as AWS IoT Core names its files.

use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::common::process::run;

pub(crate) struct Certificates(PathBuf);

impl Certificates {
    /// Makes them in a directory.
    pub(crate) fn make(directory: &Path, server: Ipv4Addr) -> Certificates {
        let certificates = Certificates(directory.to_owned());
        std::fs::create_dir_all(certificates.aws_directory()).unwrap();
        certificates.authority(&certificates.ca(), "ca.key");
        std::fs::copy(certificates.ca(), certificates.aws_directory().join("AmazonRootCA1.pem")).unwrap();
        certificates.sign("server.pem", "server.key", &format!("subjectAltName=IP:{server}"));
        certificates.sign("aws/certificate.pem.crt", "aws/private.pem.key", "extendedKeyUsage=clientAuth");
        certificates
    }

    /// The authority's certificate.
    pub(crate) fn ca(&self) -> PathBuf {
        self.0.join("ca.pem")
    }

    /// The server's certificate and its key.
    pub(crate) fn server(&self) -> (PathBuf, PathBuf) {
        (self.0.join("server.pem"), self.0.join("server.key"))
    }

    /// Where the client finds its three files.
    pub(crate) fn aws_directory(&self) -> PathBuf {
        self.0.join("aws")
    }

    /// Makes the certificate of a client who has made key and request himself.
    pub(crate) fn sign_request(&self, asked: &Path, certificate: &Path) {
        self.sign_with(asked, "extendedKeyUsage=clientAuth", certificate);
    }

    fn authority(&self, certificate: &Path, key: &str) {
        let mut request = self.request(key, "/CN=authority");
        run(request.args(["-x509", "-days", "2", "-out"]).arg(certificate), "");
    }

    fn sign(&self, certificate: &str, key: &str, extension: &str) {
        let asked = self.0.join("asked.csr");
        run(self.request(key, "/CN=telegraf").arg("-out").arg(&asked), "");
        self.sign_with(&asked, extension, &self.0.join(certificate));
    }

    fn sign_with(&self, asked: &Path, extension: &str, certificate: &Path) {
        let extensions = self.0.join("extensions");
        std::fs::write(&extensions, extension).unwrap();
        let mut sign = Command::new("openssl");
        sign.args(["x509", "-req", "-days", "2", "-CAcreateserial"]);
        for (option, file) in [
            ("-in", asked),
            ("-extfile", &extensions),
            ("-CA", &self.ca()),
            ("-CAkey", &self.0.join("ca.key")),
            ("-out", certificate),
        ] {
            sign.arg(option).arg(file);
        }
        run(&mut sign, "");
    }

    fn request(&self, key: &str, subject: &str) -> Command {
        let mut command = Command::new("openssl");
        command.args(["req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]);
        command.args(["-subj", subject, "-keyout"]).arg(self.0.join(key));
        command
    }
}
