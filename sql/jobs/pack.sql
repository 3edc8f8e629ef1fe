-- Packing: the rows of the view observations as blocks; its columns are named c0, c1, … and all of them are packed.
SELECT p.block FROM observations AS o, LATERAL TABLE(flinkms_pack(:columns)) AS p (block)
