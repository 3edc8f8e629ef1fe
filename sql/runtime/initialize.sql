CREATE ROLE flinkms LOGIN CREATEDB CREATEROLE;

CREATE DATABASE flinkms OWNER flinkms;

ALTER ROLE flinkms IN DATABASE flinkms SET search_path = public;

