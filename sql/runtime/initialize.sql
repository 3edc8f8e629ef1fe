CREATE ROLE flinkms_owner LOGIN CREATEROLE;

CREATE ROLE flinkms LOGIN;

CREATE DATABASE flinkms OWNER flinkms_owner;

